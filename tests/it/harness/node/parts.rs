//! The core and the registry of a node, configured and started.

use std::path::Path;

use super::{Addresses, Common, Entrance, Ground, Plan, filled};
use crate::harness::core::{self, Config, Flavour, REGISTRY_HTPASSWD};
use crate::harness::process::{Process, Spec};
use crate::harness::signing::KeyFiles;

/// What a node takes for its public URL.
fn external_url(plan: &Plan, ground: &Ground, addresses: &Addresses) -> String {
    match plan.external_url.as_deref() {
        None => ground.public_url.clone(),
        Some("") if plan.entrance == Entrance::Http => format!("http://{}", addresses.outer),
        Some("") => format!("https://{}", addresses.nginx),
        Some(own) => own.to_owned(),
    }
}

fn keys(plan: &Plan, folder: &Path) -> KeyFiles {
    let files = KeyFiles {
        key: folder.join("token.key"),
        certificate: folder.join("token.crt"),
    };
    if files.key.exists() {
        return files;
    }
    match plan.signing {
        Common::Shared => KeyFiles::shared(folder),
        Common::Own => KeyFiles::generate(folder, "token"),
    }
}

pub(super) fn start_core(plan: &Plan, ground: &Ground, addresses: &Addresses) -> Process {
    let keys = keys(plan, &ground.folder);
    let config = Config {
        flavour: plan.flavour,
        listen: addresses.core,
        control: addresses.control,
        registry: addresses.registry,
        portal: addresses.portal,
        redis: Some(ground.redis),
        redis_prefix: "harbor:".to_owned(),
        sessions: plan.sessions,
        provider: plan.provider,
        database: ground.database.clone(),
        external_url: external_url(plan, ground, addresses),
        key: keys.key,
        certificate: keys.certificate,
        key_name: plan.key_name,
        csrf_key: plan.csrf_key.clone(),
        clock: plan.clock,
        service: plan.service.to_owned(),
    };
    let file = ground.folder.join("core.json");
    std::fs::write(&file, serde_json::to_vec_pretty(&config).unwrap()).unwrap();
    let program = std::env::current_exe().unwrap();
    let spec = Spec::new("core", program, &ground.folder).environment(core::CONFIG_VARIABLE, &file);
    // The core lives in this very program: the launcher has a subcommand for it, the tests one
    // of their own.
    let spec = if cfg!(test) {
        spec.arguments([
            "--exact",
            "a_core_starts_with_its_configuration_alone",
            "--nocapture",
        ])
    } else {
        spec.arguments(["core", "--config"]).argument(&file)
    };
    Process::start(spec)
}

pub(super) fn start_registry(plan: &Plan, ground: &Ground, addresses: &Addresses) -> Process {
    let folder = &ground.folder;
    let storage = match plan.storage {
        Common::Shared => ground.storage.clone(),
        Common::Own => folder.join("storage"),
    };
    std::fs::create_dir_all(&storage).unwrap();
    let passwords = folder.join("htpasswd");
    std::fs::write(&passwords, REGISTRY_HTPASSWD).unwrap();
    let auth = match plan.flavour {
        Flavour::Harbor2 => format!(
            "htpasswd: {{realm: harbor-registry-basic-realm, path: {}}}",
            passwords.display()
        ),
        Flavour::Harbor1 => format!(
            "token: {{realm: \"{}/service/token\", service: harbor-registry, \
             issuer: harbor-token-issuer, rootcertbundle: {}}}",
            external_url(plan, ground, addresses),
            keys(plan, folder).certificate.display()
        ),
    };
    // A cache that is shared would tell of blobs that only another node's own storage has.
    let cache = match plan.storage {
        Common::Shared => 1,
        Common::Own => ground.redis_number,
    };
    let (redis, address) = (ground.redis.to_string(), addresses.registry.to_string());
    let known = [
        ("storage", storage.to_str().unwrap()),
        ("redis", &redis),
        ("cache", &cache.to_string()),
        ("address", &address),
        ("secret", &plan.http_secret),
        ("auth", &auth),
    ];
    let file = folder.join("registry.yml");
    std::fs::write(
        &file,
        filled(include_str!("templates/registry.yml"), &known),
    )
    .unwrap();
    let spec = Spec::new("registry", "docker-registry", folder);
    Process::start(spec.argument("serve").argument(file))
}
