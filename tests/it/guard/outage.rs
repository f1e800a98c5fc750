//! A node that has lost its database takes everybody for a stranger. Robots with the right password must not pay.

use super::scene::{Door, Somebody, expect_pause, stage};

#[tokio::test(flavor = "multi_thread")]
async fn robots_are_not_paused_because_the_database_was_away() {
    let stage = stage(|_| ()).await;
    let known = Somebody::at(&stage, "192.0.2.1");
    known
        .tries(Door::Token, "builder", "Builder12345")
        .await
        .expect(200);
    stage.cluster.database.set_down(true);
    for _ in 0..10 {
        // What a node that knows nobody says is not what clients have to believe.
        for door in [Door::TokenForImage, Door::Manifest] {
            let answer = known.tries(door, "builder", "Builder12345").await;
            assert!(
                [200, 401, 503].contains(&answer.status),
                "{}",
                answer.status
            );
        }
    }
    // As soon as the probes know it, nobody pays.
    let fault = "every node reports the same shared component as failing: the cluster is sick, no node is taken out";
    stage.balancer.says(fault).await;
    let fresh = Somebody::at(&stage, "192.0.2.2");
    for _ in 0..10 {
        let answer = fresh.tries(Door::TokenForImage, "dev", "Dev12345x").await;
        assert!(
            [200, 401, 503].contains(&answer.status),
            "{}",
            answer.status
        );
    }
    stage.cluster.database.set_down(false);
    known
        .tries(Door::Token, "builder", "Builder12345")
        .await
        .expect(200);
    fresh
        .tries(Door::Token, "dev", "Dev12345x")
        .await
        .expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_counted_does_not_begin_anew_with_other_settings() {
    let mut stage = stage(|_| ()).await;
    let guesser = Somebody::at(&stage, "192.0.2.1");
    guesser.fails(Door::Ping, "builder", 3).await;
    stage.balancer.reload(|config| {
        config.set("guard", "login_longest_pause", "10m");
    });
    stage.balancer.says("settings reloaded").await;
    expect_pause(&guesser.tries(Door::Ping, "builder", "next").await);
}
