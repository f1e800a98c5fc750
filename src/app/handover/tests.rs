//! Two ends of one socket, and the places where it may stand.

use std::net::TcpListener;
use std::os::fd::AsFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tokio::net::{TcpListener as Listener, UnixStream};

use crate::affinity::token::Key;
use crate::config::Upgrade;
use crate::edge::listen::listen;

use super::message::{Message, hear, say};
use super::place::{Bound, check};
use super::*;

fn folder(mode: u32) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mode = std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(folder.path(), mode).unwrap();
    folder
}

fn upgrade(path: &Path) -> Upgrade {
    Upgrade {
        socket: path.to_owned(),
        grace_period: std::time::Duration::from_secs(1),
    }
}

#[tokio::test]
async fn sockets_arrive_with_the_message_that_they_were_sent_with() {
    let (here, there) = UnixStream::pair().unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let reason = "x".repeat(100_000);
    let long = Message::Refused {
        reason: reason.clone(),
    };
    let (said, heard) = tokio::join!(
        async {
            say(&here, &long, &[socket.as_fd(), socket.as_fd()]).await?;
            say(&here, &Message::Serving, &[]).await
        },
        async {
            let first = hear(&there).await.unwrap().unwrap();
            (first, hear(&there).await.unwrap().unwrap())
        }
    );
    said.unwrap();
    let ((first, sockets), (second, none)) = heard;
    assert!(matches!(first, Message::Refused { reason: heard } if heard == reason));
    let address = socket.local_addr().unwrap();
    assert_eq!(sockets.len(), 2);
    for one in sockets {
        assert_eq!(TcpListener::from(one).local_addr().unwrap(), address);
    }
    assert!(matches!(second, Message::Serving) && none.is_empty());
    drop(here);
    assert!(hear(&there).await.unwrap().is_none(), "the other is gone");
}

#[test]
fn a_release_that_knows_no_orders_of_the_meantime_is_understood() {
    let farewell = serde_json::from_str(r#"{"say":"released"}"#).unwrap();
    assert!(matches!(farewell, Message::Released { ordered: None }));
}

#[tokio::test]
async fn what_is_no_message_of_ours_is_refused() {
    let (here, there) = UnixStream::pair().unwrap();
    let say = |bytes: &[u8]| assert_eq!(here.try_write(bytes).unwrap(), bytes.len());
    say(&u32::MAX.to_be_bytes());
    hear(&there).await.unwrap_err();
    say(&[0, 0, 0, 2, b'[', b']']);
    hear(&there).await.unwrap_err();
}

#[tokio::test]
async fn only_the_owner_may_come_near_the_socket() {
    let open = folder(0o755);
    let error = Bound::new(&open.path().join("upgrade.sock")).unwrap_err();
    assert!(error.to_string().contains("mode 755"), "{error}");
    let missing = check(Path::new("/nowhere/upgrade.sock")).unwrap_err();
    assert!(missing.to_string().starts_with("/nowhere: "), "{missing}");
    let closed = folder(0o700);
    let path = closed.path().join("upgrade.sock");
    let bound = Bound::new(&path).unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let next = Bound::new(&path).unwrap();
    drop(bound);
    assert!(path.exists(), "what another put there stays");
    drop(next);
    assert!(!path.exists());
    assert_eq!(std::fs::read_dir(closed.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn sockets_and_keys_go_over_and_an_attempt_that_ends_early_changes_nothing() {
    let closed = folder(0o700);
    let path = closed.path().join("upgrade.sock");
    let asked = "127.0.0.1:0".parse().unwrap();
    let listener = Listener::bind("127.0.0.1:0").await.unwrap();
    let desk = Listener::bind("127.0.0.1:0").await.unwrap();
    let mut lent = Lent::default();
    lent.add(Purpose::Clients(asked), &listener).unwrap();
    lent.add(Purpose::Admin(asked), &desk).unwrap();
    let key = Key::from(std::array::from_fn(|at| u8::try_from(at).unwrap()));
    let giving = Giving::open(&path, lent, vec![key.clone()], Ordered::default).unwrap();
    let taking = async {
        let upgrade = upgrade(&path);
        let early = take(Some(&upgrade), Beginning::Upgrade).await.unwrap();
        drop(early);
        let mut taken = take(Some(&upgrade), Beginning::Upgrade)
            .await
            .unwrap()
            .unwrap();
        assert!(taken.keys() == [key]);
        let (mut clients, mut admin) = taken.sockets();
        for (sockets, of) in [(&mut clients, &listener), (&mut admin, &desk)] {
            let same = listen(asked, &[], sockets).unwrap();
            assert_eq!(same.local_addr().unwrap(), of.local_addr().unwrap());
            let other = listen(asked, &[], sockets).unwrap();
            assert_ne!(other.local_addr().unwrap(), of.local_addr().unwrap());
        }
        taken.serving().await;
    };
    let given = async { giving.given().await.tell(Ordered::default()).await };
    tokio::join!(taking, given);
}

#[tokio::test]
async fn who_has_nobody_to_come_after_is_told() {
    let closed = folder(0o700);
    let upgrade = upgrade(&closed.path().join("upgrade.sock"));
    let error = take(Some(&upgrade), Beginning::Upgrade).await.unwrap_err();
    assert!(matches!(error, HandoverError::Nobody { .. }), "{error}");
    let error = take(None, Beginning::Upgrade).await.unwrap_err();
    assert!(matches!(error, HandoverError::NotConfigured), "{error}");
    assert!(take(None, Beginning::Fresh).await.unwrap().is_none());
}
