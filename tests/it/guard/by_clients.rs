//! What docker and curl make of it.

use super::scene::{Somebody, stage};
use crate::harness::clients::curl::Curl;
use crate::harness::clients::docker::Docker;
use crate::harness::image::Image;

#[tokio::test(flavor = "multi_thread")]
async fn docker_reads_why_and_logs_in_from_elsewhere() {
    let stage = stage(|_| ()).await;
    let destination = stage.balancer.destination();
    let authority = destination.authority.as_str();
    let docker = Docker::start(&destination).await;
    let curl = Curl::new(&destination);
    let elsewhere = ["--interface", "127.0.0.2", "--user", "builder:Builder12345"];
    let status = ["--output", "/dev/null", "--write-out", "%{http_code}"];
    let path = "/service/token?service=harbor-registry&account=builder";
    let mut said = String::new();
    for number in 0..6 {
        let password = format!("wrong-{number}");
        let login = docker.login(authority, "builder", &password).await;
        said = login.expect_failure().stderr;
        if number == 0 {
            assert!(said.contains("unauthorized"), "{said}");
        }
    }
    assert!(said.contains("too many failed logins"), "{said}");
    // The right password has to wait here, and nowhere else.
    docker
        .login(authority, "builder", "Builder12345")
        .await
        .expect_failure();
    let robot = curl
        .get(path, &[&elsewhere[..], &status[..]].concat())
        .await;
    assert_eq!(robot.expect_success().stdout, "200");
    let other = docker.login(authority, "admin", "Harbor12345").await;
    other.expect_success();
    let (image, name) = (Image::small(), destination.image("lab/guarded:v1"));
    docker.load(&image, &name).await.expect_success();
    docker.push(&name).await.expect_success();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_farm_behind_one_address_logs_in_all_at_once() {
    let stage = stage(|_| ()).await;
    let farm = Somebody::at(&stage, "192.0.2.1");
    let path = "/service/token?service=harbor-registry&scope=repository:lab/app:pull";
    let jobs = (0..60).map(|number| {
        let (farm, accounts) = (
            farm.clone(),
            [("builder", "Builder12345"), ("dev", "Dev12345x")],
        );
        let (name, password) = accounts[number % 2];
        tokio::spawn(async move {
            let request = crate::harness::http::Request::get(path).basic(name, password);
            farm.send(request).await.status
        })
    });
    for job in jobs.collect::<Vec<_>>() {
        assert_eq!(job.await.unwrap(), 200);
    }
}
