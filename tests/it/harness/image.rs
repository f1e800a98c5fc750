//! Images of random content, made without a network: a docker archive that docker, skopeo, podman and ctr all read.

/// The digest of some bytes, in the form of the registry.
pub fn digest(bytes: &[u8]) -> String {
    let hash = ring::digest::digest(&ring::digest::SHA256, bytes);
    let hex = hash
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<String>();
    format!("sha256:{hex}")
}
