//! What a browser does for Harbor's pages: it keeps cookies and the token against forged requests.

use serde_json::json;

use crate::harness::core::Account;
use crate::harness::http::answer::Answer;
use crate::harness::http::{Request, Target};
use crate::harness::jar::Jar;

/// A browser that finds the registry at several addresses, one after the other.
#[derive(Debug)]
pub(crate) struct Browser {
    targets: Vec<Target>,
    pub(crate) jar: Jar,
}

pub(crate) const CURRENT: &str = "/api/v2.0/users/current";

impl Browser {
    pub(crate) fn new(targets: Vec<Target>) -> Self {
        Self {
            targets,
            jar: Jar::default(),
        }
    }

    /// The same browser, which finds only this address from now on.
    pub(crate) fn at(mut self, target: Target) -> Self {
        self.targets = vec![target];
        self
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send(Request::get(path)).await
    }

    pub(crate) async fn send(&mut self, request: Request) -> Answer {
        self.targets.rotate_left(1);
        let answer = self.targets[0].send(self.jar.dress(request)).await;
        self.jar.keep(&answer);
        answer
    }

    /// Opens the page as Harbor's portal does: nobody is logged in yet.
    pub(crate) async fn open(&mut self) {
        self.get("/").await.expect(200);
        self.get("/api/v2.0/systeminfo").await.expect(200);
        self.get(CURRENT).await.expect(401);
    }

    pub(crate) async fn try_login(&mut self, account: Account, password: &str) -> Answer {
        let form = format!("principal={}&password={password}", account.name);
        let request = Request::new("POST", "/c/login")
            .header("Content-Type", "application/x-www-form-urlencoded");
        self.send(request.body(form.into_bytes())).await
    }

    /// Opens the page and logs in.
    pub(crate) async fn login(&mut self, account: Account) {
        self.open().await;
        self.try_login(account, account.password).await.expect(200);
    }

    pub(crate) async fn logout(&mut self) {
        self.get("/c/log_out").await.expect(200);
    }

    /// Who the nodes think it is.
    pub(crate) async fn user(&mut self) -> Option<String> {
        let answer = self.get(CURRENT).await;
        let known = (answer.status == 200).then(|| answer.json());
        known.map(|user| user["username"].as_str().unwrap().to_owned())
    }

    /// Is logged in, and works: so many times, with a write among them.
    pub(crate) async fn works(&mut self, times: usize) {
        for _ in 0..times {
            assert_eq!(self.user().await.as_deref(), Some("admin"));
        }
        let name = format!("made-{:08x}", fastrand::u32(..));
        let wish = json!({ "project_name": name }).to_string();
        let create = Request::new("POST", "/api/v2.0/projects").body(wish.into_bytes());
        self.send(create).await.expect(201);
    }
}
