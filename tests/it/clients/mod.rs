//! The real clients through pilotage over three nodes: log in, push, pull, and what they say when
//! they may not.

mod anonymous;
mod by_containerd;
mod by_curl;
mod by_docker;
mod by_podman;
mod by_skopeo;
mod spread;
mod strangers;
