//! Images of random content, made without a network: a docker archive that docker, skopeo, podman
//! and ctr all read.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// An image in memory.
#[derive(Debug, Clone)]
pub struct Image {
    /// Each an uncompressed tar with one file.
    pub layers: Vec<Vec<u8>>,
    pub config: Vec<u8>,
}

impl Image {
    /// One layer for each size, filled with random bytes that nobody has seen before.
    pub fn random(sizes: &[usize]) -> Self {
        let layers = sizes.iter().enumerate().map(|(number, size)| {
            let mut content = vec![0; *size];
            fastrand::fill(&mut content);
            tar(&[(format!("data-{number}"), content)])
        });
        let layers = layers.collect::<Vec<_>>();
        let diff_ids = layers.iter().map(|layer| digest(layer)).collect::<Vec<_>>();
        let history = layers
            .iter()
            .map(|_| json!({ "created": CREATED, "created_by": "random bytes" }));
        let config = json!({
            "architecture": "amd64",
            "os": "linux",
            "created": CREATED,
            "config": {},
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
            "history": history.collect::<Vec<_>>(),
        });
        Self {
            layers,
            config: config.to_string().into_bytes(),
        }
    }

    /// Three small layers.
    pub fn small() -> Self {
        Self::random(&[30_000, 200_000, 1_000])
    }

    /// The digest of its config: what clients call the image's id.
    pub fn id(&self) -> String {
        digest(&self.config)
    }

    /// A manifest in OCI's form over the uncompressed layers, for tests that push by hand.
    pub fn manifest(&self) -> Vec<u8> {
        let descriptor = |kind: &str, bytes: &[u8]| {
            let kind = format!("application/vnd.oci.image.{kind}");
            json!({ "mediaType": kind, "digest": digest(bytes), "size": bytes.len() })
        };
        let layers = self
            .layers
            .iter()
            .map(|layer| descriptor("layer.v1.tar", layer));
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": descriptor("config.v1+json", &self.config),
            "layers": layers.collect::<Vec<Value>>(),
        });
        manifest.to_string().into_bytes()
    }

    /// Writes it as a docker archive that names it `reference`.
    pub fn write_archive(&self, folder: &Path, reference: &str) -> PathBuf {
        let name = |bytes: &[u8], end: &str| format!("{}{end}", &digest(bytes)["sha256:".len()..]);
        let config = name(&self.config, ".json");
        let layers = self
            .layers
            .iter()
            .map(|layer| name(layer, ".tar"))
            .collect::<Vec<_>>();
        let manifest = json!([{ "Config": config, "RepoTags": [reference], "Layers": layers }]);
        let mut files = vec![(config, self.config.clone())];
        files.extend(layers.into_iter().zip(self.layers.iter().cloned()));
        files.push((
            "manifest.json".to_owned(),
            manifest.to_string().into_bytes(),
        ));
        let file = folder.join(format!("image-{}.tar", fastrand::u64(..)));
        std::fs::write(&file, tar(&files)).unwrap();
        file
    }
}

/// The media type of [`Image::manifest`].
pub const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";

const CREATED: &str = "2026-01-01T00:00:00Z";

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

/// A tar archive of plain files.
fn tar(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    const BLOCK: usize = 512;
    let mut archive = Vec::new();
    for (name, content) in files {
        let mut header = [0_u8; BLOCK];
        let mut put = |at: usize, text: &str| {
            header[at..at + text.len()].copy_from_slice(text.as_bytes());
        };
        put(0, name);
        put(100, "0000644\0");
        put(108, "0000000\0");
        put(116, "0000000\0");
        put(124, &format!("{:011o}\0", content.len()));
        put(136, "14000000000\0");
        // The checksum is taken with spaces in its own place.
        put(148, "        ");
        put(156, "0");
        put(257, "ustar\x0000");
        let sum = header.iter().map(|byte| u32::from(*byte)).sum::<u32>();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        archive.extend_from_slice(&header);
        archive.extend_from_slice(content);
        archive.resize(archive.len().next_multiple_of(BLOCK), 0);
    }
    archive.resize(archive.len() + 2 * BLOCK, 0);
    archive
}
