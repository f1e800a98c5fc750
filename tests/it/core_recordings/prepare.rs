//! What the recordings take for granted and no recorded request made: uploads begun before a fault,
//! blobs that manifests name, other tags.

use super::PUBLIC;
use super::replay::{Fault, Replay, digests, upload_of};
use crate::harness::core::Account;
use crate::harness::http::Request;
use crate::harness::http::answer::Answer;
use crate::harness::image;
use crate::harness::recording::Recording;

/// Tags that were made without being recorded, and before which recording.
const TAGS: [(&str, &str); 2] = [("317", "v2"), ("317", "v3")];

impl Replay {
    /// Uploads that were begun before a fault, and go on during it or after it.
    pub(super) async fn prepare_group(&mut self, fault: Fault) {
        if fault == Fault::None {
            return;
        }
        for recording in Recording::all() {
            if Fault::during(&recording.name) == fault {
                self.prepare(&recording).await;
            }
        }
    }

    /// Makes what a request needs and no recorded one made: the upload it continues, the blobs its
    /// manifest names.
    pub(super) async fn prepare(&mut self, recording: &Recording) {
        let manifest = recording.method == "PUT" && recording.target.contains("/manifests/");
        let refused = recording.name.starts_with("300");
        if manifest && !refused {
            for digest in digests(&String::from_utf8_lossy(&recording.request_body)) {
                if !self.live.contains_key(&digest) {
                    let live = self.upload(&format!("stand-in for {digest}")).await;
                    self.live.insert(digest, live);
                }
            }
        }
        if let ("PUT", [digest]) = (recording.method.as_str(), &digests(&recording.target)[..])
            && manifest
        {
            let live = self.translated(&String::from_utf8_lossy(&recording.request_body));
            self.live
                .insert(digest.clone(), image::digest(live.as_bytes()));
        }
        for tag in TAGS
            .iter()
            .filter(|(before, _)| recording.name.starts_with(before))
        {
            let mut sample = Recording::named("302-manifest-put");
            sample.target = format!("/v2/lab/app/manifests/{}", tag.1);
            let request = self.request(&sample).await;
            self.cluster
                .direct(0, PUBLIC)
                .send(request)
                .await
                .expect(201);
        }
        let Some((id, state)) = upload_of(&recording.target) else {
            return;
        };
        let unknown = !self.live.contains_key(&id) && !state.is_empty();
        if !unknown
            || recording.status != Some(202) && Fault::during(&recording.name) == Fault::None
        {
            return;
        }
        let location = self.start_upload().await;
        if recording.method == "PATCH" {
            self.learn_upload(&id, &state, &location);
            return;
        }
        let content = format!("bytes of {id}");
        let patched = self
            .ask("PATCH", &location, content.clone())
            .await
            .expect(202);
        self.learn_upload(&id, &state, patched.header("location").unwrap());
        if let [digest] = &digests(&recording.target)[..] {
            self.live
                .insert(digest.clone(), image::digest(content.as_bytes()));
        }
    }

    async fn upload(&self, content: &str) -> String {
        let location = self.start_upload().await;
        let digest = image::digest(content.as_bytes());
        let location = format!("{location}&digest={digest}");
        self.ask("PUT", &location, content.to_owned())
            .await
            .expect(201);
        digest
    }

    async fn start_upload(&self) -> String {
        let started = self
            .ask("POST", "/v2/lab/app/blobs/uploads/", String::new())
            .await;
        started.expect(202).header("location").unwrap().to_owned()
    }

    async fn ask(&self, method: &str, location: &str, body: String) -> Answer {
        let path = location.find("/v2/").map_or(location, |at| &location[at..]);
        let admin = Account::ADMIN;
        let request = Request::new(method, path)
            .basic(admin.name, admin.password)
            .body(body);
        self.cluster.direct(0, PUBLIC).send(request).await
    }
}
