//! Every check there is: its name, what it looks at, and why that matters.

use std::fmt;

use clap::ValueEnum;
use clap::builder::PossibleValue;
use serde::{Serialize, Serializer};

/// One check. Its name is stable: programs and operators name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Check {
    NodeReach,
    NodeTls,
    NodeCertificate,
    NodeRedirect,
    NodeApi,
    NodeHealth,
    HarborVersion,
    PublicUrl,
    ForwardedProto,
    TokenService,
    TokenKey,
    Account,
    Clocks,
    Database,
    HttpSecret,
    Storage,
    UiSession,
    CsrfKey,
    BodyLimit,
    RequestBuffering,
    Timeouts,
    Certificate,
    KeyFiles,
    Spool,
    Descriptors,
    PublicName,
    Ports,
    RedisReach,
    RedisRights,
    RedisEviction,
    RedisLatency,
}

/// What a check is called, looks at, and is good for.
struct Entry {
    id: &'static str,
    about: &'static str,
    why: &'static str,
}

impl Check {
    /// All of them, in the order in which they are made and told.
    pub(super) const ALL: [Self; 31] = [
        Self::NodeReach,
        Self::NodeTls,
        Self::NodeCertificate,
        Self::NodeRedirect,
        Self::NodeApi,
        Self::NodeHealth,
        Self::HarborVersion,
        Self::PublicUrl,
        Self::ForwardedProto,
        Self::TokenService,
        Self::TokenKey,
        Self::Account,
        Self::Clocks,
        Self::Database,
        Self::HttpSecret,
        Self::Storage,
        Self::UiSession,
        Self::CsrfKey,
        Self::BodyLimit,
        Self::RequestBuffering,
        Self::Timeouts,
        Self::Certificate,
        Self::KeyFiles,
        Self::Spool,
        Self::Descriptors,
        Self::PublicName,
        Self::Ports,
        Self::RedisReach,
        Self::RedisRights,
        Self::RedisEviction,
        Self::RedisLatency,
    ];

    /// Its name.
    pub(super) const fn id(self) -> &'static str {
        self.entry().id
    }

    /// Why what it finds matters.
    pub(super) const fn why(self) -> &'static str {
        self.entry().why
    }

    const fn entry(self) -> Entry {
        match self {
            Self::NodeReach
            | Self::NodeTls
            | Self::NodeCertificate
            | Self::NodeRedirect
            | Self::NodeApi
            | Self::NodeHealth
            | Self::HarborVersion => self.of_node(),
            Self::PublicUrl
            | Self::ForwardedProto
            | Self::TokenService
            | Self::TokenKey
            | Self::Account
            | Self::Clocks
            | Self::Database => self.of_identity(),
            Self::HttpSecret
            | Self::Storage
            | Self::UiSession
            | Self::CsrfKey
            | Self::BodyLimit
            | Self::RequestBuffering
            | Self::Timeouts => self.of_transfer(),
            Self::Certificate
            | Self::KeyFiles
            | Self::Spool
            | Self::Descriptors
            | Self::PublicName
            | Self::Ports
            | Self::RedisReach
            | Self::RedisRights
            | Self::RedisEviction
            | Self::RedisLatency => self.of_ours(),
        }
    }

    const fn of_node(self) -> Entry {
        match self {
            Self::NodeReach => entry(
                "node-reach",
                "each node's name has an address, and somebody answers there",
                "A node that cannot be reached takes no share, and the others carry its load.",
            ),
            Self::NodeTls => entry(
                "node-tls",
                "each https node shows a certificate that its [[node]] section makes trustworthy",
                "pilotage sends passwords and tokens to a node, and sends nothing to one that cannot prove who it is.",
            ),
            Self::NodeCertificate => entry(
                "node-certificate",
                "how long the certificates of the nodes are still good",
                "On the day the certificate ends, pilotage leaves the node.",
            ),
            Self::NodeRedirect => entry(
                "node-redirect",
                "no node that is written down with http sends its visitors to https",
                "A redirected upload is repeated by clients as a GET and stores nothing. pilotage follows the redirect \
                 itself, but only if the certificate is for the name in it and from an authority of the system.",
            ),
            Self::NodeApi => entry(
                "node-api",
                "each node has the API that [health] probe asks for, and all have the same",
                "Nodes of different generations differ in what they check and in what their pages ask for.",
            ),
            Self::NodeHealth => entry(
                "node-health",
                "each part of each node is healthy",
                "Harbor's health address answers 200 whatever is broken; only its document tells.",
            ),
            _ => entry(
                "harbor-version",
                "all nodes run the same Harbor",
                "Harbor migrates the shared database when a newer release starts; the older one then reads a schema \
                 that it does not know.",
            ),
        }
    }

    const fn of_identity(self) -> Entry {
        match self {
            Self::PublicUrl => entry(
                "public-url",
                "each node takes the public name for its own",
                "Clients are sent to what a node takes for its address. pilotage corrects what passes through it, but \
                 not the way back from a login provider and not a webhook.",
            ),
            Self::ForwardedProto => entry(
                "forwarded-proto",
                "each node believes that its clients use https",
                "Upload addresses with http:// make docker drop its token. pilotage corrects them; whoever reaches the \
                 node another way gets them as they are.",
            ),
            Self::TokenService => entry(
                "token-service",
                "all nodes call their token service alike",
                "The name of the service stands in every token, and a node refuses tokens for another one.",
            ),
            Self::TokenKey => entry(
                "token-key",
                "a token of each node is accepted by each other node",
                "A token is good only where it was made: behind other balancers every second push or pull is 401. \
                 pilotage asks a node that takes the token, but when that node is lost its clients must log in \
                 again, and their pushes cannot be taken over.",
            ),
            Self::Account => entry(
                "account",
                "the given account can push and pull in the given project, on every node",
                "The checks of pushes need it. When only some nodes know it, they have different databases or \
                 different ways to log in.",
            ),
            Self::Clocks => entry(
                "clocks",
                "the clocks of all nodes and of this machine agree",
                "Tokens hold times. A token from a clock that is ahead is refused as not yet valid, one from a clock \
                 that is behind ends early.",
            ),
            _ => entry(
                "database",
                "all nodes show the same projects, made at the same time",
                "With databases of their own, nodes disagree about projects, accounts and images.",
            ),
        }
    }

    const fn of_transfer(self) -> Entry {
        match self {
            Self::HttpSecret => entry(
                "http-secret",
                "an upload that began on one node is known to the others",
                "Upload addresses are signed with the secret. With another one a node calls them invalid, and a push \
                 cannot go on there.",
            ),
            Self::Storage => entry(
                "storage",
                "what is pushed through one node can be read from the others, and how soon",
                "An image that only one node has is missing for two of three pulls.",
            ),
            Self::UiSession => entry(
                "ui-session",
                "a browser's session that one node began is known to the others",
                "Whoever logs in to the pages is logged out again with the next click.",
            ),
            Self::CsrfKey => entry(
                "csrf-key",
                "a page that came from one node may be saved on the others",
                "Harbor's pages refuse to save, or to log anybody in: \"CSRF token invalid\".",
            ),
            Self::BodyLimit => entry(
                "body-limit",
                "no proxy before a node limits the size of a layer",
                "Docker shows a page of HTML instead of a reason (413), and the push is over.",
            ),
            Self::RequestBuffering => entry(
                "request-buffering",
                "each node takes a layer while it arrives, instead of storing it first",
                "A buffered layer is written twice, fills the node's disk, and looks like a node that hangs.",
            ),
            _ => entry(
                "timeouts",
                "the time limits leave a large layer enough time",
                "To commit a layer of many gigabytes takes a registry minutes in which nothing is sent.",
            ),
        }
    }

    const fn of_ours(self) -> Entry {
        match self {
            Self::Certificate => entry(
                "certificate",
                "our certificates can be used, cover the public names, and do not end soon",
                "Clients refuse a registry whose certificate is not for its name, or is over.",
            ),
            Self::KeyFiles => entry(
                "key-files",
                "nobody else can read our private keys and passwords",
                "Who has the key can pose as the registry and collect passwords.",
            ),
            Self::Spool => entry(
                "spool",
                "the folder for running pushes can be written, is on a disk, has room, and is fast",
                "A push whose bytes are not kept is lost when its node is.",
            ),
            Self::Descriptors => entry(
                "descriptors",
                "the process may open as many files as the limits on connections need",
                "At the limit new clients are turned away although there is room for them.",
            ),
            Self::PublicName => entry(
                "public-name",
                "the public names lead to this machine",
                "Clients reach whatever the name leads to.",
            ),
            Self::Ports => entry(
                "ports",
                "the ports of our listeners are free, or ours already",
                "pilotage cannot start on a port that another program has.",
            ),
            Self::RedisReach => entry(
                "redis-reach",
                "Redis can be reached as [redis] says",
                "Without it instances share nothing: limits count per instance, and sessions are not pinned.",
            ),
            Self::RedisRights => entry(
                "redis-rights",
                "the account in Redis may do what pilotage needs",
                "A Redis that refuses is as good as none.",
            ),
            Self::RedisEviction => entry(
                "redis-eviction",
                "Redis does not forget entries before their time",
                "When memory is short, Redis drops pins and counts, and Harbor's sessions if they are in there too.",
            ),
            _ => entry(
                "redis-latency",
                "Redis answers well within [redis] timeout",
                "A Redis that answers too late is left alone as if it were not there.",
            ),
        }
    }
}

const fn entry(id: &'static str, about: &'static str, why: &'static str) -> Entry {
    Entry { id, about, why }
}

impl ValueEnum for Check {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.id()).help(self.entry().about))
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl Serialize for Check {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_check_has_a_name_of_its_own_in_kebab_case() {
        let names: BTreeSet<_> = Check::ALL.iter().map(|check| check.id()).collect();
        assert_eq!(names.len(), Check::ALL.len());
        let plain = |name: &&str| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        assert!(names.iter().all(plain), "{names:?}");
    }

    #[test]
    fn every_check_says_why_it_matters() {
        assert!(Check::ALL.iter().all(|check| check.why().ends_with('.')));
    }
}
