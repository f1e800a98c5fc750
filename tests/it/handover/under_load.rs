//! Three processes after the first, while clients of every kind are busy.

use crate::harness::http::{Request, h2};
use crate::harness::load::{Load, Trickle};
use crate::harness::process::Process;
use crate::harness::uploads::{begin, blob};

use super::{GONE, LONG, front};

#[tokio::test(flavor = "multi_thread")]
async fn three_upgrades_in_a_row_fail_no_request_and_cut_no_transfer() {
    let mut front = front(3, |_| ()).await;
    let path = "/v2/lab/app/tags/list";
    let load = Load::start(&front.h1(), &front.h2(), path);
    let more = [(); 4].map(|()| Load::start(&front.h1(), &front.h2(), path));
    let push = Trickle::upload(&front.h1(), &begin(&front.balancer).await);
    push.goes_on().await;
    let mut pulls = Vec::new();
    let mut puts = Vec::new();
    let mut before: Vec<Process> = Vec::new();
    for _ in 0..3 {
        // Every process has transfers of its own, over HTTP/1.1 and HTTP/2, when the next one comes.
        let client = h2::Client::connect(&front.h2()).await.unwrap();
        let put = Trickle::upload_h2(&client, "/api/v2.0/projects/1");
        let pull = Trickle::download_h2(&client, &blob());
        let other = Trickle::download(&front.h1(), &blob());
        for one in [&put, &pull, &other] {
            one.goes_on().await;
        }
        pulls.extend([pull, other]);
        puts.push((client, put));
        let mut old = front.balancer.upgrade().await;
        load.goes_on(30).await;
        push.goes_on().await;
        for (_, put) in &puts {
            put.goes_on().await;
        }
        assert!(old.running(), "its transfers run");
        front.balancer.admin("/readyz").await.expect(200);
        before.push(old);
    }
    assert_eq!(push.finish().await.status, 202);
    for pull in pulls {
        let moved = pull.finish().await;
        assert_eq!((moved.status, moved.bytes), (200, LONG as u64));
    }
    for (_client, put) in puts {
        assert_eq!(put.finish().await.status, 200);
    }
    load.goes_on(30).await;
    for load in more.into_iter().chain([load]) {
        load.finish_without_failure().await;
    }
    for mut old in before {
        let status = old.ended(GONE).await;
        assert!(status.success(), "{status}");
        let said = old.stderr();
        assert!(said.contains("handed over"), "{said}");
        assert!(!said.contains("are cut"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_keep_a_connection_are_told_to_come_anew_and_find_the_new_process() {
    let mut front = front(1, |_| ()).await;
    let request = Request::get("/v2/_catalog").header("Connection", "keep-alive");
    let bytes = request.bytes(&front.h1().authority);
    let mut kept = front.h1().connect().await.unwrap();
    kept.write(&bytes).await.unwrap();
    let first = kept.answer("GET").await.unwrap().expect(200);
    assert_ne!(first.header("connection"), Some("close"));
    let mut fresh = front.h1().connect().await.unwrap();
    let mut old = front.balancer.upgrade().await;
    // The connections of before have one more answer each.
    for connection in [&mut kept, &mut fresh] {
        connection.write(&bytes).await.unwrap();
        let last = connection.answer("GET").await.unwrap().expect(200);
        assert_eq!(last.header("connection"), Some("close"));
    }
    old.ended(GONE).await;
    let answer = front.h1().send(request).await.expect(200);
    assert_ne!(answer.header("connection"), Some("close"));
}
