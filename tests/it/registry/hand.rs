//! Requests by hand, the same over HTTP/1.1 and HTTP/2.

use crate::harness::balancer::Balancer;
use crate::harness::certs::Offer;
use crate::harness::cluster;
use crate::harness::core::Account;
use crate::harness::http::answer::Answer;
use crate::harness::http::{Request, Target, h2};
use crate::harness::image::{Image, MANIFEST_TYPE, digest};

/// One account that speaks to the balancer over one protocol.
#[derive(Debug)]
pub struct Hand {
    wire: Wire,
    /// The name, with its port, that is used for the registry.
    pub authority: String,
    authorization: Option<String>,
}

#[derive(Debug)]
enum Wire {
    /// A connection for each request.
    Http1(Target),
    /// One connection for all.
    Http2(h2::Client),
}

impl Hand {
    /// A hand without credentials.
    pub async fn anonymous(balancer: &Balancer, offer: Offer) -> Self {
        Self::at(balancer.target(offer), offer).await
    }

    /// The same at a target of the test's own.
    pub async fn at(target: Target, offer: Offer) -> Self {
        let authority = target.authority.clone();
        let wire = match offer {
            Offer::Http1 => Wire::Http1(target),
            Offer::Http2 => Wire::Http2(h2::Client::connect(&target).await.unwrap()),
        };
        Self {
            wire,
            authority,
            authorization: None,
        }
    }

    /// A hand with a token for these repositories.
    pub async fn of(
        balancer: &Balancer,
        offer: Offer,
        account: Account,
        repositories: &[&str],
    ) -> Self {
        let from = balancer.target(Offer::Http1);
        let token = cluster::token(&from, account, repositories).await;
        let hand = Self::anonymous(balancer, offer).await;
        hand.with(format!("Bearer {token}"))
    }

    /// One hand over each protocol, with a token for these repositories.
    pub async fn both(balancer: &Balancer, account: Account, repositories: &[&str]) -> [Self; 2] {
        [
            Self::of(balancer, Offer::Http1, account, repositories).await,
            Self::of(balancer, Offer::Http2, account, repositories).await,
        ]
    }

    /// The same hand with these credentials.
    pub fn with(mut self, authorization: String) -> Self {
        self.authorization = Some(authorization);
        self
    }

    pub fn is_http2(&self) -> bool {
        matches!(self.wire, Wire::Http2(_))
    }

    /// Sends a request with the hand's credentials, unless it has its own.
    pub async fn send(&self, mut request: Request) -> Answer {
        let has = |name: &str| {
            let mut names = request.headers.iter();
            names.any(|(had, _)| had.eq_ignore_ascii_case(name))
        };
        let authorized = has("authorization");
        // Clients tell the length in HTTP/2 as well.
        let unframed = !has("content-length") && !matches!(request.method.as_str(), "GET" | "HEAD");
        if let (false, Some(authorization)) = (authorized, &self.authorization) {
            request = request.header("Authorization", authorization);
        }
        match &self.wire {
            Wire::Http1(target) => target.send(request).await,
            Wire::Http2(client) => {
                if unframed {
                    let length = request.body.len().to_string();
                    request = request.header("Content-Length", &length);
                }
                let sent = client.send(&request).await;
                sent.unwrap_or_else(|error| panic!("{} {}: {error}", request.method, request.path))
            }
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path)).await
    }

    /// Starts an upload.
    pub async fn start(&self, repository: &str) -> Upload {
        let path = format!("/v2/{repository}/blobs/uploads/");
        let answer = self.send(Request::new("POST", &path)).await.expect(202);
        assert_eq!(answer.header("range"), Some("0-0"));
        self.upload(repository, &answer)
    }

    /// The upload that an answer tells of.
    #[track_caller]
    pub fn upload(&self, repository: &str, answer: &Answer) -> Upload {
        let path = self.path(answer);
        let id = answer.header("docker-upload-uuid").expect("an id");
        let start = format!("/v2/{repository}/blobs/uploads/{id}?_state=");
        assert!(path.starts_with(&start), "{path} is not of upload {id}");
        Upload {
            repository: repository.to_owned(),
            id: id.to_owned(),
            path,
        }
    }

    /// Path and query of the Location of an answer, which names the registry as this hand does.
    #[track_caller]
    pub fn path(&self, answer: &Answer) -> String {
        let locations = answer.all("location").collect::<Vec<_>>();
        assert_eq!(locations.len(), 1, "{locations:?}");
        let start = format!("https://{}/", self.authority);
        assert!(locations[0].starts_with(&start), "{}", locations[0]);
        locations[0][start.len() - 1..].to_owned()
    }

    /// Appends to an upload.
    pub async fn patch(&self, upload: &Upload, body: &[u8]) -> Upload {
        let request = Request::new("PATCH", &upload.path).body(body);
        let answer = self.send(request).await.expect(202);
        self.next(upload, &answer)
    }

    /// The next address of an upload, which keeps its id.
    #[track_caller]
    pub fn next(&self, upload: &Upload, answer: &Answer) -> Upload {
        let next = self.upload(&upload.repository, answer);
        assert_eq!(next.id, upload.id, "the id changed in the middle");
        next
    }

    /// Pushes a blob whole and gives its digest.
    pub async fn push_blob(&self, repository: &str, content: &[u8]) -> String {
        let upload = self.start(repository).await;
        let put = upload.put(&digest(content)).body(content);
        self.send(put).await.expect(201);
        digest(content)
    }

    /// Pushes an image and gives the digest of its manifest.
    pub async fn push_image(&self, repository: &str, tag: &str, image: &Image) -> String {
        for content in image.layers.iter().chain([&image.config]) {
            self.push_blob(repository, content).await;
        }
        let manifest = image.manifest();
        let path = format!("/v2/{repository}/manifests/{tag}");
        let put = Request::new("PUT", &path).header("Content-Type", MANIFEST_TYPE);
        let answer = self.send(put.body(manifest.clone())).await.expect(201);
        let digest = digest(&manifest);
        assert_eq!(
            answer.header("docker-content-digest"),
            Some(digest.as_str())
        );
        let location = format!("/v2/{repository}/manifests/{digest}");
        assert_eq!(self.path(&answer), location);
        digest
    }

    /// A manifest in the form of [`Image::manifest`], by `GET` or `HEAD`.
    pub async fn manifest(&self, method: &str, repository: &str, reference: &str) -> Answer {
        let path = format!("/v2/{repository}/manifests/{reference}");
        let request = Request::new(method, &path).header("Accept", MANIFEST_TYPE);
        self.send(request).await
    }
}

/// An upload as a client knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    pub repository: String,
    pub id: String,
    /// Where it goes on.
    pub path: String,
}

impl Upload {
    /// The request that ends it.
    pub fn put(&self, digest: &str) -> Request {
        Request::new("PUT", &format!("{}&digest={digest}", self.path))
    }

    /// The sealed part of its address.
    pub fn state(&self) -> &str {
        self.path.split_once("?_state=").unwrap().1
    }

    /// Its address with another sealed part.
    pub fn forged(&self, state: &str) -> Self {
        let (path, _) = self.path.split_once('?').unwrap();
        Self {
            path: format!("{path}?_state={state}"),
            ..self.clone()
        }
    }
}
