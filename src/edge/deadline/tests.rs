//! Limits of time, on a paused clock.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::time::sleep;

use super::super::tests::{connection, limits, pipe};
use super::*;

/// A client, our end, and what is known of the connection between them.
struct Pair {
    client: DuplexStream,
    guarded: Guarded,
    connection: Arc<Connection>,
    limits: Limits,
}

impl Pair {
    fn new(version: Version) -> Self {
        let (connection, limits) = (connection(), limits());
        let (client, ours) = pipe(64);
        let mut guarded = Guarded::new(Box::new(ours), Arc::clone(&connection), &limits);
        // A pipe knows no ALPN.
        assert_eq!(guarded.version, Version::One);
        guarded.version = version;
        Self {
            client,
            guarded,
            connection,
            limits,
        }
    }

    /// The client's end, for a task of its own.
    fn take_client(&mut self) -> DuplexStream {
        std::mem::replace(&mut self.client, pipe(1).0)
    }

    async fn read(&mut self) -> io::Result<usize> {
        self.guarded.read(&mut [0; 64]).await
    }

    /// Reads until a limit ends the connection, and says after how long and which one.
    async fn ends(&mut self) -> (Duration, Option<ConnectionClose>) {
        let begin = Instant::now();
        let error = loop {
            match self.read().await {
                Ok(0) => panic!("the client left first"),
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        (begin.elapsed(), self.connection.expired())
    }

    /// A whole header comes in and becomes a request.
    async fn request(&mut self) {
        let header = b"PUT / HTTP/1.1\r\nHost: a\r\n\r\n";
        self.client.write_all(header).await.unwrap();
        self.read().await.unwrap();
        self.connection.begin();
    }
}

/// Rounds a time down to what the timer of tokio resolves.
fn about(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs())
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_request_ends_after_the_idle_time() {
    for version in [Version::One, Version::Two] {
        let mut pair = Pair::new(version);
        let idle = pair.limits.idle_timeout;
        let (after, limit) = pair.ends().await;
        assert_eq!(about(after), idle, "{version:?}");
        assert_eq!(limit, Some(ConnectionClose::IdleTimeout));
    }
}

#[tokio::test(start_paused = true)]
async fn a_dripped_header_ends_although_bytes_keep_coming() {
    let mut pair = Pair::new(Version::One);
    let header = pair.limits.header_timeout;
    let quiet = Duration::from_secs(5);
    let mut client = pair.take_client();
    let drip = tokio::spawn(async move {
        sleep(quiet).await;
        // Without a limit this ends too, and the test says that the client left first.
        for _ in 0..100 {
            drop(client.write_all(b"x").await);
            sleep(Duration::from_secs(1)).await;
        }
    });
    let (after, limit) = pair.ends().await;
    assert_eq!(about(after), quiet + header, "from the first byte on");
    assert_eq!(limit, Some(ConnectionClose::HeaderTimeout));
    drip.abort();
}

#[tokio::test(start_paused = true)]
async fn the_second_header_of_a_connection_has_its_own_time() {
    let mut pair = Pair::new(Version::One);
    pair.request().await;
    sleep(Duration::from_hours(1)).await;
    pair.guarded.write_all(b"answer").await.unwrap();
    pair.connection.end();
    pair.client.write_all(b"GET").await.unwrap();
    let (after, limit) = pair.ends().await;
    assert_eq!(about(after), pair.limits.header_timeout);
    assert_eq!(limit, Some(ConnectionClose::HeaderTimeout));
}

#[tokio::test(start_paused = true)]
async fn the_idle_time_begins_behind_the_answer() {
    let mut pair = Pair::new(Version::One);
    pair.request().await;
    sleep(Duration::from_hours(1)).await;
    pair.guarded.write_all(b"answer").await.unwrap();
    pair.connection.end();
    let (after, limit) = pair.ends().await;
    assert_eq!(about(after), pair.limits.idle_timeout);
    assert_eq!(limit, Some(ConnectionClose::IdleTimeout));
}

#[tokio::test(start_paused = true)]
async fn a_look_at_a_stalled_upload_is_no_progress() {
    let mut pair = Pair::new(Version::Two);
    pair.connection.begin();
    pair.connection.begin_body();
    let begin = Instant::now();
    let limit = pair.limits.client_timeout * 2;
    let mut piece = [0; 64];
    let error = loop {
        // As the library does: whenever it is woken it flushes first.
        pair.guarded.flush().await.unwrap();
        let look = limit * 2 / 3;
        match tokio::time::timeout(look, pair.guarded.read(&mut piece)).await {
            Err(_) => assert!(begin.elapsed() < limit * 3, "it is put off for ever"),
            Ok(read) => break read.unwrap_err(),
        }
    };
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!(about(begin.elapsed()), limit);
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_makes_progress_is_never_cut() {
    for version in [Version::One, Version::Two] {
        let mut pair = Pair::new(version);
        pair.request().await;
        pair.connection.begin_body();
        let pause = pair.limits.client_timeout * 2 * 9 / 10;
        let mut client = pair.take_client();
        let sending = tokio::spawn(async move {
            for _ in 0..100 {
                sleep(pause).await;
                client.write_all(b"piece").await.unwrap();
            }
            client
        });
        for _ in 0..100 {
            assert_eq!(pair.read().await.unwrap(), 5, "{version:?}");
        }
        drop(sending.await.unwrap());
        assert_eq!(pair.connection.expired(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stalled_upload_on_http_2_ends_after_the_node_had_its_time() {
    let mut pair = Pair::new(Version::Two);
    pair.request().await;
    pair.connection.begin_body();
    let (after, limit) = pair.ends().await;
    assert_eq!(about(after), pair.limits.client_timeout * 2);
    assert_eq!(limit, Some(ConnectionClose::ClientTimeout));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_waits_for_its_answer_is_never_cut() {
    for version in [Version::One, Version::Two] {
        let mut pair = Pair::new(version);
        pair.request().await;
        let patience = Duration::from_hours(3);
        let waited = tokio::time::timeout(patience, pair.read()).await;
        assert!(waited.is_err(), "{version:?}: {waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stops_reading_is_left() {
    for version in [Version::One, Version::Two] {
        let mut pair = Pair::new(version);
        pair.request().await;
        let begin = Instant::now();
        let error = pair.guarded.write_all(&[0; 65]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(about(begin.elapsed()), pair.limits.client_timeout);
        let limit = pair.connection.expired();
        assert_eq!(limit, Some(ConnectionClose::ClientTimeout), "{version:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_slowly_gets_everything() {
    let mut pair = Pair::new(Version::One);
    pair.request().await;
    let pause = pair.limits.client_timeout * 9 / 10;
    let sent: Vec<u8> = (0..1000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let mut client = pair.take_client();
    let reading = tokio::spawn(async move {
        let mut got = Vec::new();
        while got.len() < 1000 {
            sleep(pause).await;
            let mut piece = [0; 10];
            let size = client.read(&mut piece).await.unwrap();
            got.extend_from_slice(&piece[..size]);
        }
        got
    });
    pair.guarded.write_all(&sent).await.unwrap();
    assert_eq!(reading.await.unwrap(), sent);
    assert_eq!(pair.connection.expired(), None);
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_write_does_not_shorten_the_next() {
    let mut pair = Pair::new(Version::One);
    pair.request().await;
    let half = pair.limits.client_timeout / 2;
    let blocked = tokio::time::timeout(half, pair.guarded.write_all(&[0; 65])).await;
    assert!(blocked.is_err());
    pair.client.read_exact(&mut [0; 64]).await.unwrap();
    pair.guarded.write_all(&[0; 64]).await.unwrap();
    let begin = Instant::now();
    pair.guarded.write_all(&[0; 1]).await.unwrap_err();
    assert_eq!(about(begin.elapsed()), pair.limits.client_timeout);
}

#[tokio::test(start_paused = true)]
async fn what_a_header_shows_is_noted_for_its_request() {
    let mut pair = Pair::new(Version::One);
    for (header, finding) in [
        ("GET / HTTP/1.1\nHost: a\r\n\r\n", Finding::BareLineFeed),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Finding::Clean),
    ] {
        for half in [&header[..9], &header[9..]] {
            pair.client.write_all(half.as_bytes()).await.unwrap();
            pair.read().await.unwrap();
        }
        assert_eq!(pair.connection.finding(), finding, "{header}");
        pair.connection.begin();
        // The line feeds of a body are its own business.
        pair.client.write_all(b"\n\n").await.unwrap();
        pair.read().await.unwrap();
        assert_eq!(pair.connection.finding(), finding, "{header}");
        pair.connection.end();
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_a_broken_header_is_noted_and_one_to_a_request_is_not() {
    let mut pair = Pair::new(Version::One);
    pair.request().await;
    pair.guarded.write_all(b"answer").await.unwrap();
    assert!(!pair.connection.answered());
    pair.connection.end();
    pair.client.write_all(b"broken").await.unwrap();
    pair.read().await.unwrap();
    pair.guarded.write_all(b"refusal").await.unwrap();
    assert!(pair.connection.answered());
}

#[tokio::test]
async fn a_request_finds_its_connection_in_the_digest() {
    let pair = Pair::new(Version::One);
    let digest = pair.guarded.get_proxy_digest().unwrap();
    let about = digest.user_data.as_ref().unwrap();
    let found = about.downcast_ref::<Arc<Connection>>().unwrap();
    assert!(Arc::ptr_eq(found, &pair.connection));
}
