//! An upload that several instances carry: how one meets it, what it tells the others, and what a client reads when
//! none of them can go on.
//!
//! Never asks or tells anybody itself.

use http::StatusCode;

use crate::affinity::standing::Standing;
use crate::affinity::token::Upload;
use crate::registry::error::parse_envelope;

use super::driver::{Ended, Reply};
use super::takeover::{Protection, Session};
use super::transfer::Transfer;

/// Where an instance that has not seen the upload goes on with it, and whether the session there may be written.
pub fn meet(standing: Standing, client: Upload) -> (Upload, Session) {
    match standing {
        Standing::Current => (client, Session::Clean),
        Standing::Moved(known) => (known, Session::Clean),
        // Where the client's own address leads nobody writes again, and its bytes come before the known ones.
        Standing::Behind(_) => (client, Session::Spent),
    }
}

/// What other instances have to hear of a request that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// The upload lives elsewhere now: they hear of it before the client does.
    Moved,
    /// What they heard of it counts no longer.
    Over,
    /// They need nothing but the client's address.
    None,
}

impl News {
    /// Of a request that ended so, in which `takeovers` nodes took over, and that left the transfer as it is.
    pub fn of(ended: &Ended, takeovers: u32, transfer: &Transfer) -> Self {
        let status = match ended {
            Ended::Acknowledge => None,
            Ended::Pass(reply, _) => Some(reply.head.status),
            Ended::Refuse(..) | Ended::ClientLeft => return Self::None,
        };
        match status {
            Some(StatusCode::CREATED) if transfer.takeovers > 0 => Self::Over,
            None | Some(StatusCode::ACCEPTED) if takeovers > 0 => Self::Moved,
            _ => Self::None,
        }
    }
}

/// Whether a node that says it does not know the upload has the last word on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// Nobody can send its first bytes once more.
    Yes,
    No,
}

impl Gone {
    /// Of a client that came with this address, before the transfer as it is now.
    pub fn of(transfer: &Transfer, upload: &Upload) -> Self {
        if transfer.spool.is_none() && upload.offset > 0 {
            Self::Yes
        } else {
            Self::No
        }
    }
}

/// What can be done for an upload of which so much is kept here.
pub fn protection(transfer: &Transfer) -> Protection {
    match transfer.spool {
        Some(_) => Protection::Kept,
        None => Protection::None,
    }
}

/// Whether the client has to begin the upload anew: nobody can send its first bytes once more, and the node that has
/// them does not know it, was lost, or does not take the client's token.
pub fn is_lost(gone: Gone, ended: &Ended) -> bool {
    let lost = match ended {
        Ended::Pass(reply, _) => is_unknown(reply),
        Ended::Refuse(_, last) => last
            .as_ref()
            .is_none_or(|reply| reply.head.status == StatusCode::UNAUTHORIZED),
        Ended::Acknowledge | Ended::ClientLeft => false,
    };
    gone == Gone::Yes && lost
}

/// Whether a node's word means that it has not got the session.
fn is_unknown(reply: &Reply) -> bool {
    let known = ["BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID"];
    reply.head.status == StatusCode::NOT_FOUND
        && parse_envelope(&reply.body)
            .is_some_and(|all| all.iter().any(|one| known.contains(&one.code.as_str())))
}

/// What makes a client begin an upload again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BeginsAgain {
    /// 404 `BLOB_UPLOAD_UNKNOWN`.
    WhenUnknown,
    /// 503: that an upload is unknown would be final.
    WhenUnavailable,
}

impl BeginsAgain {
    /// Of the client that calls itself so.
    pub fn of(agent: &str) -> Self {
        if WHEN_UNKNOWN.iter().any(|name| agent.starts_with(name)) {
            Self::WhenUnknown
        } else {
            Self::WhenUnavailable
        }
    }
}

/// Clients that begin a layer again when its upload is unknown.
const WHEN_UNKNOWN: [&str; 3] = ["docker/", "go-containerregistry", "regclient"];

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use pingora::http::ResponseHeader;

    use super::super::driver::Asked;
    use super::super::takeover::Refusal;
    use super::*;
    use crate::fleet::node::NodeId;
    use crate::registry::name::RepositoryName;
    use crate::registry::session::SessionId;
    use crate::spool::file::Spools;
    use crate::spool::settings::SpoolSettings;

    fn upload(node: &str, offset: u64) -> Upload {
        Upload {
            repository: RepositoryName::parse("lab/app").unwrap(),
            session: SessionId::parse("0f3c").unwrap(),
            node: NodeId::parse(node).unwrap(),
            location: "/1".to_owned(),
            offset,
            issued: 0,
        }
    }

    /// An upload whose bytes are nowhere but on its node.
    fn unkept() -> Transfer {
        let spools = Spools::new(&SpoolSettings::of(1 << 20));
        let mut transfer = Transfer::begin(&upload("a", 5), spools.open());
        transfer.spool = None;
        transfer
    }

    fn reply(status: u16, code: &str) -> Reply {
        let mut head = ResponseHeader::build(status, None).unwrap();
        head.insert_header("Content-Type", "application/json")
            .unwrap();
        let body = format!(r#"{{"errors":[{{"code":"{code}","message":"m"}}]}}"#);
        Reply {
            head,
            body: Bytes::from(body),
        }
    }

    #[test]
    fn an_address_that_was_left_behind_is_never_written_again() {
        let (client, known) = (upload("a", 5), upload("b", 9));
        let met = |standing| meet(standing, client.clone());
        assert_eq!(met(Standing::Current), (client.clone(), Session::Clean));
        let moved = met(Standing::Moved(known.clone()));
        assert_eq!(moved, (known.clone(), Session::Clean));
        let behind = met(Standing::Behind(known));
        assert_eq!(behind, (client.clone(), Session::Spent));
    }

    #[test]
    fn others_hear_of_what_moved_and_of_its_end_and_of_nothing_else() {
        let mut transfer = unkept();
        let passed = |status| Ended::Pass(Box::new(reply(status, "X")), Asked::Client);
        for (ended, moved) in [
            (Ended::Acknowledge, News::Moved),
            (passed(202), News::Moved),
            (passed(404), News::None),
            (passed(500), News::None),
            (Ended::Refuse(Refusal::Lost, None), News::None),
            (Ended::ClientLeft, News::None),
        ] {
            assert_eq!(News::of(&ended, 1, &transfer), moved, "{ended:?}");
            assert_eq!(News::of(&ended, 0, &transfer), News::None, "{ended:?}");
        }
        assert_eq!(News::of(&passed(201), 0, &transfer), News::None);
        transfer.takeovers = 2;
        assert_eq!(News::of(&passed(201), 0, &transfer), News::Over);
        assert_eq!(News::of(&passed(202), 0, &transfer), News::None);
    }

    #[test]
    fn only_a_registry_that_knows_no_such_session_says_so() {
        for (status, code, expected) in [
            (404, "BLOB_UPLOAD_UNKNOWN", true),
            (404, "BLOB_UPLOAD_INVALID", true),
            (404, "NAME_UNKNOWN", false),
            (400, "BLOB_UPLOAD_INVALID", false),
        ] {
            assert_eq!(
                is_unknown(&reply(status, code)),
                expected,
                "{status} {code}"
            );
        }
    }

    #[test]
    fn an_upload_is_gone_when_its_first_bytes_are_nowhere() {
        let gone = |offset| Gone::of(&unkept(), &upload("a", offset));
        assert_eq!((gone(5), gone(0)), (Gone::Yes, Gone::No));
    }

    #[test]
    fn an_upload_is_lost_when_the_only_node_with_its_bytes_has_no_word_on_it() {
        let refused = |reply: Option<Reply>| Ended::Refuse(Refusal::Lost, reply.map(Box::new));
        for (ended, lost) in [
            (refused(None), true),
            (refused(Some(reply(401, "UNAUTHORIZED"))), true),
            (refused(Some(reply(503, "UNAVAILABLE"))), false),
            (Ended::Acknowledge, false),
            (Ended::ClientLeft, false),
        ] {
            assert_eq!(is_lost(Gone::Yes, &ended), lost, "{ended:?}");
            assert!(!is_lost(Gone::No, &ended), "{ended:?}");
        }
    }

    #[test]
    fn each_client_reads_what_makes_it_begin_again() {
        use BeginsAgain::{WhenUnavailable, WhenUnknown};
        for (agent, expected) in [
            ("docker/20.10.24+dfsg1 go/go1.19", WhenUnknown),
            ("go-containerregistry/v0.20", WhenUnknown),
            ("regclient/regctl", WhenUnknown),
            ("skopeo/1.9.3", WhenUnavailable),
            (
                "containers/5.22 (github.com/containers/image)",
                WhenUnavailable,
            ),
            ("", WhenUnavailable),
        ] {
            assert_eq!(BeginsAgain::of(agent), expected, "{agent}");
        }
    }
}
