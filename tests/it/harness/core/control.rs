//! The port by which a test reads and sets the switches: `GET` gives them as JSON, `PUT` replaces
//! them.

use std::sync::Arc;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::answer::{self, Answer};
use super::{Core, Switches};

pub(super) async fn serve(listener: TcpListener, core: Arc<Core>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let core = core.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let core = core.clone();
                async move { Ok::<_, hyper::Error>(respond(&core, request).await) }
            });
            drop(
                http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await,
            );
        });
    }
}

async fn respond(core: &Core, request: Request<Incoming>) -> Answer {
    if request.method() == Method::PUT {
        let Ok(body) = request.into_body().collect().await else {
            return answer::empty(StatusCode::BAD_REQUEST);
        };
        let switches: Switches = match serde_json::from_slice(&body.to_bytes()) {
            Ok(switches) => switches,
            Err(error) => return answer::text(400, "text/plain", error.to_string()),
        };
        *core.switches.write().unwrap() = switches;
    }
    let switches = serde_json::to_value(&*core.switches()).unwrap();
    answer::json("application/json", &switches)
}
