//! A registry client made of single requests, for tests that look at each step or stop between two.

use super::cluster::token;
use super::core::Account;
use super::http::answer::Answer;
use super::http::{Request, Target};
use super::image::{Image, MANIFEST_TYPE, digest};

/// Somebody who talks to a registry by hand. A connection for each request, as docker does.
#[derive(Debug, Clone)]
pub struct Client {
    pub target: Target,
    pub account: Account,
}

impl Client {
    pub fn new(target: Target, account: Account) -> Self {
        Self { target, account }
    }

    /// A token for these repositories.
    pub async fn token(&self, repositories: &[&str]) -> String {
        token(&self.target, self.account, repositories).await
    }

    /// A request with a fresh token for the repository in its path.
    pub async fn send(&self, repository: &str, request: Request) -> Answer {
        let token = self.token(&[repository]).await;
        self.target.send(request.bearer(&token)).await
    }

    /// Starts an upload; path and query of its Location.
    #[track_caller]
    pub fn start(&self, repository: &str) -> impl Future<Output = String> {
        let (client, repository) = (self.clone(), repository.to_owned());
        let caller = std::panic::Location::caller();
        async move {
            let path = format!("/v2/{repository}/blobs/uploads/");
            let answer = client.send(&repository, Request::new("POST", &path)).await;
            assert_eq!(answer.status, 202, "{caller}: {}", answer.text());
            location(&answer)
        }
    }

    /// Sends bytes to an upload.
    pub async fn patch(&self, repository: &str, upload: &str, bytes: &[u8]) -> Answer {
        let request = Request::new("PATCH", upload)
            .header("Content-Type", "application/octet-stream")
            .body(bytes);
        self.send(repository, request).await
    }

    /// Ends an upload, with these bytes as its last ones (or its only ones).
    pub async fn commit(
        &self,
        repository: &str,
        upload: &str,
        digest: &str,
        rest: &[u8],
    ) -> Answer {
        let sign = if upload.contains('?') { '&' } else { '?' };
        let request = Request::new("PUT", &format!("{upload}{sign}digest={digest}"))
            .header("Content-Type", "application/octet-stream")
            .body(rest);
        self.send(repository, request).await
    }

    /// Uploads a blob as docker does: one PATCH, an empty PUT, a HEAD.
    pub async fn push_blob(&self, repository: &str, bytes: &[u8]) {
        let upload = self.start(repository).await;
        let patched = self.patch(repository, &upload, bytes).await.expect(202);
        let digest = digest(bytes);
        let upload = location(&patched);
        self.commit(repository, &upload, &digest, &[])
            .await
            .expect(201);
        let path = format!("/v2/{repository}/blobs/{digest}");
        self.send(repository, Request::new("HEAD", &path))
            .await
            .expect(200);
    }

    /// Puts a manifest under a tag or digest.
    pub async fn publish(&self, repository: &str, reference: &str, manifest: &[u8]) -> Answer {
        let path = format!("/v2/{repository}/manifests/{reference}");
        let request = Request::new("PUT", &path)
            .header("Content-Type", MANIFEST_TYPE)
            .body(manifest);
        self.send(repository, request).await
    }

    /// Pushes an image in OCI's form; the digest of its manifest.
    pub async fn push(&self, repository: &str, tag: &str, image: &Image) -> String {
        for blob in image.layers.iter().chain([&image.config]) {
            self.push_blob(repository, blob).await;
        }
        let manifest = image.manifest();
        self.publish(repository, tag, &manifest).await.expect(201);
        digest(&manifest)
    }

    /// The manifest under a tag or digest.
    pub async fn manifest(&self, repository: &str, reference: &str) -> Answer {
        let path = format!("/v2/{repository}/manifests/{reference}");
        self.send(
            repository,
            Request::get(&path).header("Accept", MANIFEST_TYPE),
        )
        .await
    }

    /// A blob.
    pub async fn blob(&self, repository: &str, digest: &str) -> Answer {
        let path = format!("/v2/{repository}/blobs/{digest}");
        self.send(repository, Request::get(&path)).await
    }

    /// Pulls an image and checks every digest.
    pub async fn pull(&self, repository: &str, reference: &str) -> Image {
        let manifest = self
            .manifest(repository, reference)
            .await
            .expect(200)
            .json();
        let config = self.checked(repository, &manifest["config"]).await;
        let mut layers = Vec::new();
        for layer in manifest["layers"].as_array().unwrap() {
            layers.push(self.checked(repository, layer).await);
        }
        Image { layers, config }
    }

    async fn checked(&self, repository: &str, descriptor: &serde_json::Value) -> Vec<u8> {
        let wanted = descriptor["digest"].as_str().unwrap();
        let answer = self.blob(repository, wanted).await.expect(200);
        assert!(answer.complete, "{wanted} came in part");
        assert_eq!(digest(&answer.body), wanted);
        answer.body
    }
}

/// Path and query of the Location of an answer.
#[track_caller]
pub fn location(answer: &Answer) -> String {
    let location = answer
        .header("location")
        .expect("the answer has a Location");
    location
        .find("/v2/")
        .map_or(location, |at| &location[at..])
        .to_owned()
}
