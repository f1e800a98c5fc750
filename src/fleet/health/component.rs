//! Which component matters for which kind of traffic.

use std::fmt;

use serde::Serialize;

/// A kind of request, by what a node needs to serve it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Traffic {
    /// Reads under `/v2/`.
    Pull,
    /// Writes under `/v2/`.
    Push,
    /// The token service.
    Token,
    /// Harbor's own API.
    Api,
    /// Everything a browser asks for.
    Ui,
}

impl Traffic {
    /// Every kind, in the order in which per-traffic tables are laid out.
    pub const ALL: [Self; 5] = [Self::Pull, Self::Push, Self::Token, Self::Api, Self::Ui];

    /// The word for logs and status pages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Token => "token",
            Self::Api => "api",
            Self::Ui => "ui",
        }
    }
}

impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A part of a Harbor node, as its health document tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Component {
    Core,
    Registry,
    Database,
    Redis,
    /// Where the layers lie. Harbor has no entry for it: a registry that answers its health check
    /// with an error status lives, but cannot reach its storage.
    Storage,
    Portal,
    Jobservice,
    Registryctl,
    Trivy,
    /// A part that no request waits for, such as the scanners and chart servers of older releases.
    Other,
}

impl Component {
    /// Reads a name of Harbor's health document. Unknown names are [`Component::Other`].
    pub fn from_harbor_name(name: &str) -> Self {
        match name {
            "core" => Self::Core,
            "registry" => Self::Registry,
            "database" => Self::Database,
            "redis" => Self::Redis,
            "portal" => Self::Portal,
            "jobservice" => Self::Jobservice,
            "registryctl" => Self::Registryctl,
            "trivy" => Self::Trivy,
            _ => Self::Other,
        }
    }

    /// The word for logs and status pages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Registry => "registry",
            Self::Database => "database",
            Self::Redis => "redis",
            Self::Storage => "storage",
            Self::Portal => "portal",
            Self::Jobservice => "jobservice",
            Self::Registryctl => "registryctl",
            Self::Trivy => "trivy",
            Self::Other => "other",
        }
    }

    /// Who uses it: this node, or all of them.
    pub const fn reach(self) -> Reach {
        match self {
            Self::Database | Self::Redis | Self::Storage => Reach::Shared,
            Self::Core
            | Self::Registry
            | Self::Portal
            | Self::Jobservice
            | Self::Registryctl
            | Self::Trivy
            | Self::Other => Reach::Own,
        }
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a component belongs to one node or to all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    Own,
    Shared,
}

/// What the failure of a component means for one kind of traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The node cannot serve it.
    Fatal,
    /// It is served slower or only in part: nodes without the fault come first.
    Degraded,
    /// It is not needed.
    None,
}

/// The table: what it means for `traffic` that `component` fails.
///
/// Redis costs every request half a second and refuses the rest of a push, but pulls go on; the
/// registry is asked by a few calls of the API; the portal is static files for browsers.
pub const fn effect(component: Component, traffic: Traffic) -> Effect {
    match component {
        Component::Core => Effect::Fatal,
        Component::Registry | Component::Storage => match traffic {
            Traffic::Pull | Traffic::Push => Effect::Fatal,
            Traffic::Api => Effect::Degraded,
            Traffic::Token | Traffic::Ui => Effect::None,
        },
        Component::Database => match traffic {
            Traffic::Pull | Traffic::Push | Traffic::Token | Traffic::Api => Effect::Fatal,
            Traffic::Ui => Effect::Degraded,
        },
        Component::Redis => Effect::Degraded,
        Component::Portal => match traffic {
            Traffic::Ui => Effect::Fatal,
            Traffic::Pull | Traffic::Push | Traffic::Token | Traffic::Api => Effect::None,
        },
        Component::Jobservice | Component::Registryctl | Component::Trivy | Component::Other => {
            Effect::None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_of_the_table_is_as_decided() {
        use Effect::{Degraded as D, Fatal as F, None as N};
        // Columns: pull, push, token, API, UI.
        let table = [
            (Component::Core, [F, F, F, F, F]),
            (Component::Registry, [F, F, N, D, N]),
            (Component::Storage, [F, F, N, D, N]),
            (Component::Database, [F, F, F, F, D]),
            (Component::Redis, [D, D, D, D, D]),
            (Component::Portal, [N, N, N, N, F]),
            (Component::Jobservice, [N, N, N, N, N]),
            (Component::Registryctl, [N, N, N, N, N]),
            (Component::Trivy, [N, N, N, N, N]),
            (Component::Other, [N, N, N, N, N]),
        ];
        for (component, row) in table {
            for (traffic, expected) in Traffic::ALL.into_iter().zip(row) {
                assert_eq!(
                    effect(component, traffic),
                    expected,
                    "{component} for {traffic}"
                );
            }
        }
    }

    #[test]
    fn names_of_harbor_are_understood_and_strange_ones_are_other() {
        for component in [
            Component::Core,
            Component::Registry,
            Component::Database,
            Component::Redis,
            Component::Portal,
            Component::Jobservice,
            Component::Registryctl,
            Component::Trivy,
        ] {
            assert_eq!(Component::from_harbor_name(component.as_str()), component);
        }
        for name in ["chartmuseum", "clair", "notary", "", "Core", "storage"] {
            assert_eq!(
                Component::from_harbor_name(name),
                Component::Other,
                "{name}"
            );
        }
    }

    #[test]
    fn only_database_redis_and_storage_are_shared() {
        let shared = [Component::Database, Component::Redis, Component::Storage];
        for component in [
            Component::Core,
            Component::Registry,
            Component::Database,
            Component::Redis,
            Component::Storage,
            Component::Portal,
            Component::Jobservice,
            Component::Registryctl,
            Component::Trivy,
            Component::Other,
        ] {
            let expected = if shared.contains(&component) {
                Reach::Shared
            } else {
                Reach::Own
            };
            assert_eq!(component.reach(), expected, "{component}");
        }
    }
}
