//! Manifests, blobs and mounts.

use super::hand::Hand;
use super::stage::Stage;
use crate::harness::core::Account;
use crate::harness::http::Request;
use crate::harness::image::{Image, MANIFEST_TYPE, digest};

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_is_read_by_tag_and_digest_and_deleted_by_digest() {
    let stage = Stage::set().await;
    for hand in Hand::both(&stage.balancer, Account::ADMIN, &["lab/manifest"]).await {
        let image = Image::random(&[1_000]);
        let digest = hand.push_image("lab/manifest", "v1", &image).await;
        let etag = format!("\"{digest}\"");
        for reference in ["v1", digest.as_str()] {
            let head = hand.manifest("HEAD", "lab/manifest", reference).await;
            let get = hand.manifest("GET", "lab/manifest", reference).await;
            assert_eq!(get.body, image.manifest());
            for answer in [head.expect(200), get.expect(200)] {
                let length = image.manifest().len().to_string();
                assert_eq!(answer.header("content-length"), Some(length.as_str()));
                assert_eq!(answer.header("content-type"), Some(MANIFEST_TYPE));
                let named = answer.header("docker-content-digest");
                assert_eq!(named, Some(digest.as_str()));
                assert_eq!(answer.header("etag"), Some(etag.as_str()));
            }
            let path = format!("/v2/lab/manifest/manifests/{reference}");
            let known = Request::get(&path).header("Accept", MANIFEST_TYPE);
            let known = known.header("If-None-Match", &etag);
            let same = hand.send(known).await.expect(304);
            assert_eq!(same.body, b"");
        }
        let by_tag = Request::new("DELETE", "/v2/lab/manifest/manifests/v1");
        let refused = hand.send(by_tag).await.expect(400);
        assert_eq!(refused.error_code(), "UNSUPPORTED");
        let path = format!("/v2/lab/manifest/manifests/{digest}");
        let delete = Request::new("DELETE", &path);
        hand.send(delete.clone()).await.expect(202);
        for reference in ["v1", digest.as_str()] {
            let gone = hand.manifest("GET", "lab/manifest", reference).await;
            assert_eq!(gone.expect(404).error_code(), "NOT_FOUND");
        }
        hand.send(delete).await.expect(404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_are_read_at_once_over_one_connection() {
    let stage = Stage::set().await;
    let [_, hand] = Hand::both(&stage.balancer, Account::BUILDER, &["lab/large"]).await;
    assert!(hand.is_http2());
    let image = Image::random(&[3_000_000, 200_000]);
    hand.push_image("lab/large", "v1", &image).await;
    let read = async |layer: &[u8]| {
        let path = format!("/v2/lab/large/blobs/{}", digest(layer));
        let answer = hand.get(&path).await.expect(200);
        assert!(answer.complete);
        assert!(answer.body == layer, "other bytes came");
    };
    let [large, small] = [&image.layers[0], &image.layers[1]];
    tokio::join!(read(large), read(small), read(large), read(small));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_is_mounted_or_an_upload_starts_instead() {
    let stage = Stage::set().await;
    let repositories = ["lab/from", "lab/to"];
    for hand in Hand::both(&stage.balancer, Account::BUILDER, &repositories).await {
        let content = format!("a blob to mount, over h2: {}", hand.is_http2());
        let blob = hand.push_blob("lab/from", content.as_bytes()).await;
        let mount = |query: &str| {
            let path = format!("/v2/lab/to/blobs/uploads/?{query}");
            Request::new("POST", &path)
        };
        let wanted = mount(&format!("mount={blob}&from=lab/from"));
        let mounted = hand.send(wanted).await.expect(201);
        assert_eq!(hand.path(&mounted), format!("/v2/lab/to/blobs/{blob}"));
        assert_eq!(mounted.header("docker-content-digest"), Some(blob.as_str()));
        let there = hand.get(&format!("/v2/lab/to/blobs/{blob}")).await;
        assert_eq!(there.expect(200).text(), content);

        let missing = digest(b"nobody has this");
        let queries = [
            format!("mount={missing}&from=lab/from"),
            format!("mount={blob}"),
        ];
        for query in queries {
            let started = hand.send(mount(&query)).await.expect(202);
            let upload = hand.upload("lab/to", &started);
            let put = upload.put(&digest(b"sent instead"));
            let put = put.body(b"sent instead".as_slice());
            hand.send(put).await.expect(201);
        }
        let foreign = mount(&format!("mount={blob}&from=tiny/secret"));
        hand.send(foreign).await.expect(401);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_a_blob_pass_as_the_node_gives_them() {
    let stage = Stage::set().await;
    let content = (0..10_000_u32)
        .map(|at| u8::try_from(at % 251).unwrap())
        .collect::<Vec<_>>();
    for hand in Hand::both(&stage.balancer, Account::BUILDER, &["lab/part"]).await {
        let blob = hand.push_blob("lab/part", &content).await;
        let path = format!("/v2/lab/part/blobs/{blob}");
        for (asked, from, to) in [
            ("bytes=0-0", 0, 1),
            ("bytes=100-199", 100, 200),
            ("bytes=9000-", 9_000, 10_000),
            ("bytes=-5", 9_995, 10_000),
            ("bytes=9990-20000", 9_990, 10_000),
        ] {
            let request = Request::get(&path).header("Range", asked);
            let part = hand.send(request).await.expect(206);
            assert_eq!(part.body, content[from..to], "{asked}");
            let range = format!("bytes {from}-{}/10000", to - 1);
            assert_eq!(part.header("content-range"), Some(range.as_str()));
        }
        for beyond in ["bytes=10000-", "bytes=20000-30000"] {
            let request = Request::get(&path).header("Range", beyond);
            let refused = hand.send(request).await.expect(416);
            assert_eq!(refused.header("content-range"), Some("bytes */10000"));
        }
        let outdated = Request::get(&path)
            .header("Range", "bytes=5-")
            .header("If-Range", "\"another\"");
        assert_eq!(hand.send(outdated).await.expect(200).body, content);
        assert_eq!(hand.get(&path).await.expect(200).body, content);
    }
}
