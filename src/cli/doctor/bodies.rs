//! Large bodies, of which only the size is sent.

use std::time::Duration;

use futures_util::future::join_all;
use http::Method;

use super::ask::{Asker, Question};
use super::judge::body::{Announced, SIZES, is_refused};
use super::reach::Node;
use super::said::Said;
use super::told::Told;

/// Announces uploads to every node, each smaller than the one before until it is not refused for its size.
///
/// They have no credentials and go to an upload that nobody began: nothing can come of them.
pub(super) async fn announce((nodes, told): (&[Node], &[Told]), asker: &Asker) -> Vec<Announced> {
    let asking = nodes
        .iter()
        .zip(told)
        .map(|(node, told)| one(node, told, asker));
    join_all(asking).await
}

async fn one(node: &Node, told: &Told, asker: &Asker) -> Announced {
    let mut sizes = Vec::new();
    for size in SIZES {
        let question = Question::new(Method::PATCH, UPLOAD)
            .header("Content-Type", "application/octet-stream")
            .announcing(size);
        let said = asker.ask_within(&node.target, &question, PATIENCE).await;
        let refused = is_refused(&said);
        let silent = matches!(said, Said::Nothing(_));
        sizes.push((size, said));
        if silent || !refused {
            break;
        }
    }
    Announced {
        node: node.id.clone(),
        release: told.release,
        sizes,
    }
}

const UPLOAD: &str =
    "/v2/library/pilotage-doctor/blobs/uploads/00000000-0000-4000-8000-000000000000";
/// Whoever does not need the body answers at once.
const PATIENCE: Duration = Duration::from_secs(4);
