//! Who asks, and what he may do.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::Request;
use hyper::header::AUTHORIZATION;

use super::session::Session;
use super::{Core, Project, token};

/// An account of the recordings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    pub name: &'static str,
    pub password: &'static str,
    pub role: Role,
}

/// What an account may do beyond reading public projects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Administrator,
    /// Pulls and pushes in this project.
    Developer(&'static str),
    None,
}

impl Account {
    pub const ADMIN: Self = Self {
        name: "admin",
        password: "Harbor12345",
        role: Role::Administrator,
    };
    pub const BUILDER: Self = Self {
        name: "builder",
        password: "Builder12345",
        role: Role::Developer("lab"),
    };
    pub const DEV: Self = Self {
        name: "dev",
        password: "Dev12345x",
        role: Role::None,
    };

    const ALL: [Self; 3] = [Self::ADMIN, Self::BUILDER, Self::DEV];

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|account| account.name == name)
    }
}

/// The outcome of looking at a request's credentials.
#[derive(Debug, Clone)]
pub(super) enum Identity {
    Nobody,
    Account(Account),
    /// By the claims of a token; without a name for anonymous ones.
    Token {
        name: Option<String>,
        access: Vec<Access>,
    },
}

/// What a token grants on one repository.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(super) struct Access {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) actions: Vec<String>,
}

impl Identity {
    pub(super) fn is_known(&self) -> bool {
        match self {
            Self::Nobody => false,
            Self::Account(_) => true,
            Self::Token { name, .. } => name.is_some(),
        }
    }

    pub(super) fn is_administrator(&self) -> bool {
        matches!(
            self,
            Self::Account(Account {
                role: Role::Administrator,
                ..
            })
        )
    }

    /// Whether it may do this in this project. Tokens count for the whole project of each
    /// repository they name.
    pub(super) fn may(&self, action: &str, project: &Project) -> bool {
        match self {
            Self::Token { access, .. } => access.iter().any(|access| {
                access.name.split('/').next() == Some(&project.name)
                    && access.actions.iter().any(|granted| granted == action)
            }),
            Self::Nobody | Self::Account(_) => self.actions(project).contains(&action),
        }
    }

    /// Everything the role gives in this project: what a token for it holds, whatever was asked
    /// for.
    pub(super) fn actions(&self, project: &Project) -> Vec<&'static str> {
        match self {
            Self::Account(Account {
                role: Role::Administrator,
                ..
            }) => {
                vec!["pull", "push", "delete"]
            }
            Self::Account(Account {
                role: Role::Developer(own),
                ..
            }) if *own == project.name => {
                vec!["push", "pull"]
            }
            Self::Account(_) | Self::Nobody | Self::Token { .. } if project.public => vec!["pull"],
            Self::Account(_) | Self::Nobody | Self::Token { .. } => Vec::new(),
        }
    }
}

/// Who sent this request: `Authorization` first, then the browser session. Without the database
/// nobody is known, except by a token.
pub(super) async fn of<B>(core: &Core, request: &Request<B>, session: &Session) -> Identity {
    let Some(authorization) = request.headers().get(AUTHORIZATION) else {
        let known = session
            .user()
            .and_then(Account::named)
            .filter(|_| !core.database.is_down());
        return known.map_or(Identity::Nobody, Identity::Account);
    };
    let text = authorization.to_str().unwrap_or_default();
    match text.split_once(' ') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("basic") => basic(core, rest).await,
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("bearer") => token::check(core, rest),
        _ => Identity::Nobody,
    }
}

async fn basic(core: &Core, encoded: &str) -> Identity {
    let decoded = STANDARD.decode(encoded).unwrap_or_default();
    let decoded = String::from_utf8_lossy(&decoded);
    let (name, password) = decoded.split_once(':').unwrap_or_default();
    match check_password(core, name, password).await {
        Some(account) => Identity::Account(account),
        None => Identity::Nobody,
    }
}

/// The account, if the password is right. A wrong one is refused slowly.
pub(super) async fn check_password(core: &Core, name: &str, password: &str) -> Option<Account> {
    if core.database.is_down() {
        return None;
    }
    let account = Account::named(name).filter(|account| account.password == password);
    if account.is_none() {
        let delay = core.switches().wrong_password_ms;
        tokio::time::sleep(Duration::from_millis(delay)).await;
    }
    account
}
