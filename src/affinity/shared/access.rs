//! What it takes to reach Redis, and reaching it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::sentinel::{SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, Cmd, ConnectionAddr, ConnectionInfo,
    IntoConnectionInfo, RedisConnectionInfo, RedisResult, TlsCertificates, TlsMode, Value,
};

use crate::affinity::settings::{Place, SharedSettings};

use super::address::{Address, AddressError, Endpoint, Secret, Topology, Transport};

/// Everything that is needed to reach Redis, with what its files say. `Debug` shows no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    address: Address,
    sentinel_password: Option<Secret>,
    pem: Pem,
    /// What every key begins with.
    pub(super) prefix: String,
    /// How long one question may take.
    pub(super) timeout: Duration,
}

/// The files for TLS, as they stand.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pem {
    authority: Option<Secret>,
    certificate: Option<(Secret, Secret)>,
}

/// A file about Redis cannot be used. Never quotes it.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    #[error("{path}: cannot be read: {source}")]
    Unreadable {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{path}: {source}")]
    Address { path: PathBuf, source: AddressError },
    #[error("{path}: {reason}")]
    Pem { path: PathBuf, reason: String },
}

impl Access {
    /// Reads the files that the settings name. Nothing is connected yet.
    pub fn open(settings: &SharedSettings) -> Result<Self, AccessError> {
        let mut address = match &settings.place {
            Place::Written(address) => address.clone(),
            Place::InFile(path) => {
                Address::parse(&read(path)?).map_err(|source| AccessError::Address {
                    path: path.clone(),
                    source,
                })?
            }
        };
        if settings.user.is_some() {
            address.user.clone_from(&settings.user);
        }
        let secret = |path: &PathBuf| Ok(Secret::new(&read(path)?));
        let password = settings.password_file.as_ref().map(secret).transpose()?;
        address.password = password.or(address.password);
        let sentinel = settings.sentinel_password_file.as_ref();
        let authority = settings.ca_file.as_ref().map(secret).transpose()?;
        let certificate = match &settings.certificate {
            None => None,
            Some(files) => Some((secret(&files.chain_file)?, secret(&files.key_file)?)),
        };
        let access = Self {
            address,
            sentinel_password: sentinel.map(secret).transpose()?,
            pem: Pem {
                authority,
                certificate,
            },
            prefix: settings.prefix.clone(),
            timeout: settings.timeout,
        };
        access.try_pem(settings)?;
        Ok(access)
    }

    /// Where Redis is, for people.
    pub fn place(&self) -> String {
        self.address.to_string()
    }

    /// Connects. Takes as long as it takes: the caller has a limit.
    pub(super) async fn connect(&self) -> RedisResult<Connection> {
        match &self.address.topology {
            Topology::Single(endpoint) => {
                let info = self.info(endpoint)?;
                let client = match self.address.transport {
                    Transport::Plain => Client::open(info)?,
                    Transport::Tls => Client::build_with_tls(info, self.pem.certificates())?,
                };
                let connection = client
                    .get_multiplexed_async_connection_with_config(&unlimited())
                    .await?;
                Ok(Connection::One(connection))
            }
            Topology::Sentinel { sentinels, master } => {
                let mut client = self.sentinel(sentinels, master)?.build()?;
                let connection = client
                    .get_async_connection_with_config(&unlimited())
                    .await?;
                Ok(Connection::One(connection))
            }
            Topology::Cluster(members) => {
                let connection = self.cluster(members)?.get_async_connection().await?;
                Ok(Connection::Cluster(connection))
            }
        }
    }

    fn sentinel(&self, sentinels: &[Endpoint], master: &str) -> RedisResult<SentinelClientBuilder> {
        let sentinels: Vec<_> = sentinels.iter().map(|one| self.socket(one)).collect();
        let kind = SentinelServerType::Master;
        let mut builder = SentinelClientBuilder::new(sentinels, master, kind)?;
        builder = builder.set_client_to_redis_db(self.address.database);
        if let Some(user) = &self.address.user {
            builder = builder.set_client_to_redis_username(user);
        }
        if let Some(password) = &self.address.password {
            builder = builder.set_client_to_redis_password(password.reveal());
        }
        if let Some(password) = &self.sentinel_password {
            builder = builder.set_client_to_sentinel_password(password.reveal());
        }
        Ok(match self.address.transport {
            Transport::Plain => builder,
            Transport::Tls => builder
                .set_client_to_redis_tls_mode(TlsMode::Secure)
                .set_client_to_redis_certificates(self.pem.certificates())
                .set_client_to_sentinel_tls_mode(TlsMode::Secure)
                .set_client_to_sentinel_certificates(self.pem.certificates()),
        })
    }

    fn cluster(&self, members: &[Endpoint]) -> RedisResult<ClusterClient> {
        let members = members.iter().map(|one| self.info(one));
        let members: Vec<_> = members.collect::<RedisResult<_>>()?;
        // A question is asked again only after the cluster has moved its key; more would outlast the deadline.
        let mut builder = ClusterClient::builder(members).retries(1);
        if let Some(user) = &self.address.user {
            builder = builder.username(user);
        }
        if let Some(password) = &self.address.password {
            builder = builder.password(password.reveal());
        }
        if self.address.transport == Transport::Tls {
            builder = builder.tls(TlsMode::Secure).certs(self.pem.certificates());
        }
        builder.build()
    }

    fn info(&self, endpoint: &Endpoint) -> RedisResult<ConnectionInfo> {
        // Users with few rights may not name their library.
        let mut login = RedisConnectionInfo::default().set_skip_set_lib_name();
        if !matches!(self.address.topology, Topology::Cluster(_)) {
            login = login.set_db(self.address.database);
        }
        if let Some(user) = &self.address.user {
            login = login.set_username(user);
        }
        if let Some(password) = &self.address.password {
            login = login.set_password(password.reveal());
        }
        let info = self.socket(endpoint).into_connection_info()?;
        Ok(info.set_redis_settings(login))
    }

    fn socket(&self, endpoint: &Endpoint) -> ConnectionAddr {
        let Endpoint { host, port } = endpoint.clone();
        match self.address.transport {
            Transport::Plain => ConnectionAddr::Tcp(host, port),
            Transport::Tls => ConnectionAddr::TcpTls {
                host,
                port,
                insecure: false,
                tls_params: None,
            },
        }
    }

    /// The library looks at certificates only when it connects; a wrong file is to be told at the start.
    fn try_pem(&self, settings: &SharedSettings) -> Result<(), AccessError> {
        let path = settings.ca_file.as_ref();
        let chain = settings.certificate.as_ref().map(|files| &files.chain_file);
        let Some(path) = path.or(chain) else {
            return Ok(());
        };
        let nowhere = ConnectionAddr::TcpTls {
            host: "localhost".to_owned(),
            port: 1,
            insecure: false,
            tls_params: None,
        };
        let tried = Client::build_with_tls(nowhere, self.pem.certificates());
        tried.map(|_| ()).map_err(|error| AccessError::Pem {
            path: path.clone(),
            reason: error.to_string(),
        })
    }
}

impl Pem {
    fn certificates(&self) -> TlsCertificates {
        let bytes = |secret: &Secret| secret.reveal().as_bytes().to_vec();
        TlsCertificates {
            client_tls: self.certificate.as_ref().map(|(chain, key)| {
                let (client_cert, client_key) = (bytes(chain), bytes(key));
                ClientTlsConfig {
                    client_cert,
                    client_key,
                }
            }),
            root_cert: self.authority.as_ref().map(bytes),
        }
    }
}

/// A connection that carries many questions at one time. Cloning it is cheap.
#[derive(Clone)]
pub(super) enum Connection {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Connection {
    /// Sends one command and waits for its answer, however long that takes.
    pub(super) async fn send(&self, command: &Cmd) -> RedisResult<Value> {
        match self.clone() {
            Self::One(mut connection) => connection.req_packed_command(command).await,
            Self::Cluster(mut connection) => connection.req_packed_command(command).await,
        }
        .and_then(Value::extract_error)
    }

    /// Whether the library itself connects anew to a server that it lost.
    pub(super) fn mends_itself(&self) -> bool {
        match self {
            Self::One(_) => false,
            Self::Cluster(_) => true,
        }
    }
}

/// All limits of time are ours.
fn unlimited() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(None)
        .set_response_timeout(None)
}

fn read(path: &Path) -> Result<String, AccessError> {
    std::fs::read_to_string(path).map_err(|source| AccessError::Unreadable {
        path: path.to_owned(),
        source,
    })
}
