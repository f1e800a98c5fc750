//! curl.

use std::path::PathBuf;

use super::{Destination, run_client};
use crate::harness::process::{Outcome, Spec};

/// curl, which resolves the public name as it is told.
#[derive(Debug)]
pub struct Curl {
    folder: PathBuf,
    destination: Destination,
}

impl Curl {
    pub fn new(destination: &Destination) -> Self {
        Self {
            folder: destination.own_folder("curl"),
            destination: destination.clone(),
        }
    }

    /// Asks for a path with these options more. The standard output is what curl prints.
    pub async fn get(&self, path: &str, options: &[&str]) -> Outcome {
        let authority = &self.destination.authority;
        let resolve = format!("{authority}:{}", self.destination.address.ip());
        let spec = Spec::new("curl", "curl", &self.folder)
            .arguments(["--silent", "--show-error", "--max-time", "60", "--cacert"])
            .argument(&self.destination.ca_file)
            .arguments(["--resolve", &resolve])
            .arguments(options.iter().copied())
            .argument(format!("https://{authority}{path}"));
        run_client(&spec, "").await
    }
}
