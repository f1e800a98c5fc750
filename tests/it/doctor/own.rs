//! Our own side.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

use super::{Clinic, names};
use crate::harness::cluster::PUBLIC_NAME;
use crate::harness::ports::{self, Subnet};

/// A cluster of one node, and the names of our certificate's files.
async fn lone() -> Clinic {
    Clinic::open(|builder| builder.nodes(1)).await
}

/// Replaces our certificate, but not the mode of its key.
fn replace(clinic: &Clinic, names: &[&str], until: Option<SystemTime>) {
    let fresh = clinic.cluster.authority.issue_until(names, until);
    fresh.write(&clinic.folder, "public");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_name_that_no_certificate_covers_is_found() {
    let clinic = lone().await;
    replace(&clinic, &["other.example.com"], None);
    let diagnosis = clinic.examine(&[]).await;
    names(
        diagnosis.only("certificate", "error"),
        &[PUBLIC_NAME, "other.example.com"],
    );
    replace(&clinic, &["*.pilotage.test"], None);
    clinic.examine(&[]).await.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_ours_that_ends_or_fits_no_key_is_found() {
    let clinic = lone().await;
    let day = Duration::from_hours(24);
    let soon = SystemTime::now() + day * 4 + Duration::from_mins(10);
    replace(&clinic, &[PUBLIC_NAME], Some(soon));
    let diagnosis = clinic.examine(&[]).await;
    names(
        diagnosis.only("certificate", "warning"),
        &["ends in 4 days", "recheck"],
    );
    replace(&clinic, &[PUBLIC_NAME], Some(SystemTime::now() - day * 3));
    let diagnosis = clinic.examine(&[]).await;
    names(
        diagnosis.only("certificate", "error"),
        &["ended 3 days ago"],
    );
    let other = clinic.cluster.authority.issue(&[PUBLIC_NAME]);
    std::fs::write(clinic.folder.join("public.key"), other.key).unwrap();
    let diagnosis = clinic.examine(&[]).await;
    names(
        diagnosis.only("certificate", "error"),
        &["is not the key of the certificate"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_others_may_read_is_found() {
    let clinic = lone().await;
    let key = clinic.folder.join("public.key");
    let mode = |mode: u32| std::fs::set_permissions(&key, PermissionsExt::from_mode(mode)).unwrap();
    mode(0o644);
    let diagnosis = clinic.examine(&[]).await;
    names(
        diagnosis.only("key-files", "warning"),
        &["public.key", "0644", "chmod 640"],
    );
    mode(0o640);
    clinic.examine(&[]).await.is_clean();
    std::fs::write(clinic.cluster.scratch.path().join("affinity.key"), "short").unwrap();
    let diagnosis = clinic.examine(&[]).await;
    names(
        diagnosis.only("key-files", "error"),
        &["affinity.key", "openssl rand -base64 32"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_cannot_be_used_are_found_and_not_shown() {
    let mut clinic = lone().await;
    let file = clinic.folder.join("tokens");
    std::fs::write(&file, "ann:hunter2hunter2hunter2\nno owner at all\n").unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o640)).unwrap();
    let path = file.to_str().unwrap();
    clinic.config.set("admin", "token_file", path);
    let diagnosis = clinic.examine(&[]).await;
    let finding = diagnosis.only("key-files", "error");
    names(
        finding,
        &[path, "[admin] token_file", "line 2", "NAME:TOKEN"],
    );
    assert!(!finding.to_string().contains("hunter2"), "{finding}");
    std::fs::write(&file, "ann:hunter2hunter2hunter2\n").unwrap();
    clinic.examine(&[]).await.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spool_in_memory_or_that_cannot_be_written_is_found() {
    let mut clinic = lone().await;
    clinic
        .config
        .set("spool", "folder", "/dev/shm/pilotage-doctor-test");
    let diagnosis = clinic.examine(&[]).await;
    names(
        diagnosis.only("spool", "warning"),
        &["tmpfs", "[spool] folder"],
    );
    assert!(!std::path::Path::new("/dev/shm/pilotage-doctor-test").exists());
    clinic
        .config
        .set("spool", "folder", "/proc/pilotage-doctor-test");
    let diagnosis = clinic.examine(&["--only", "spool"]).await;
    names(
        &diagnosis.findings()[0],
        &["cannot be written", "chown pilotage"],
    );
    assert_eq!(diagnosis.code, Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spool_without_room_is_found() {
    let mut clinic = lone().await;
    clinic.config.set("spool", "disk_share", 1);
    let diagnosis = clinic.examine(&[]).await;
    names(
        diagnosis.only("spool", "warning"),
        &["disk_share", "percent in use"],
    );
    clinic.config.set("spool", "disk_share", 99);
    clinic.config.set("spool", "upload_limit", "1000000GiB");
    clinic.config.set("spool", "total_limit", "1000000GiB");
    let diagnosis = clinic.examine(&["--only", "spool"]).await;
    assert_eq!(diagnosis.findings()[0]["severity"], "info");
    assert_eq!(diagnosis.code, Some(0));
}

/// Each flush to the disk takes so long that 32 MiB come to less than half of what is called slow.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_disk_of_the_spool_is_found() {
    let mut clinic = lone().await;
    clinic.under = vec!["strace", "-f", "-qq", "-o", "strace.out"];
    clinic.under.extend(["-e", "trace=fdatasync"]);
    clinic
        .under
        .extend(["-e", "inject=fdatasync:delay_exit=6000000"]);
    let diagnosis = clinic.examine(&["--only", "spool"]).await;
    names(
        diagnosis.only("spool", "warning"),
        &["slow", "written through", "SSD"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn too_few_open_files_are_found() {
    let mut clinic = lone().await;
    clinic.config.set("limits", "connections", 10_000_000);
    let diagnosis = clinic.examine(&[]).await;
    names(
        diagnosis.only("descriptors", "warning"),
        &["LimitNOFILE=", "10000000"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_name_that_leads_elsewhere_or_nowhere_is_found() {
    let mut clinic = lone().await;
    clinic.leads_to = "192.0.2.1";
    let diagnosis = clinic.examine(&[]).await;
    names(
        diagnosis.only("public-name", "warning"),
        &["192.0.2.1", "DNS record"],
    );
    let nowhere = "no-such-name.invalid";
    replace(&clinic, &[nowhere], None);
    clinic.config.set("public", "names", vec![nowhere]);
    let diagnosis = clinic.examine(&["--skip", "public-url"]).await;
    names(
        diagnosis.only("public-name", "warning"),
        &[nowhere, "has no address"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_another_program_has_is_found() {
    let mut clinic = lone().await;
    let host = Subnet::take().host(1);
    let taken = TcpListener::bind(ports::free(host)).unwrap();
    let address = taken.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in taken.incoming() {
            drop(stream);
        }
    });
    clinic.config.set_listener("address", address.to_string());
    let diagnosis = clinic.examine(&[]).await;
    let finding = diagnosis.only("ports", "error");
    names(
        finding,
        &[&address.to_string(), "another program", "ss -ltnp"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_this_machine_does_not_have_is_found() {
    let mut clinic = lone().await;
    clinic.config.set_listener("address", "192.0.2.7:8443");
    let diagnosis = clinic.examine(&[]).await;
    names(
        diagnosis.only("ports", "error"),
        &["192.0.2.7:8443", "nobody can listen"],
    );
}
