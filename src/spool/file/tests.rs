use proptest::prelude::*;

use super::*;

fn spools(memory: u64, share: u64) -> (tempfile::TempDir, Spools) {
    let folder = tempfile::tempdir().unwrap();
    let settings = SpoolSettings {
        folder: folder.path().join("spool"),
        memory,
        disk_share: share,
        ..SpoolSettings::of(64 << 20)
    };
    (folder, Spools::new(&settings))
}

fn bytes(size: usize, seed: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    std::iter::repeat_with(|| random.u8(..))
        .take(size)
        .collect()
}

async fn read_all(spool: &mut Spool, from: u64) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let piece = spool
            .read(from + u64::try_from(out.len()).unwrap())
            .await
            .unwrap();
        if piece.is_empty() {
            return out;
        }
        out.extend_from_slice(&piece);
    }
}

#[tokio::test]
async fn a_small_upload_never_touches_the_disk() {
    let (folder, spools) = spools(1000, 100);
    let mut spool = spools.open();
    spool.append(Bytes::from(bytes(1000, 1))).await.unwrap();
    assert_eq!(read_all(&mut spool, 0).await, bytes(1000, 1));
    assert!(!folder.path().join("spool").exists());
}

#[tokio::test]
async fn a_large_upload_leaves_no_file_behind_and_gives_its_room_back() {
    let (folder, spools) = spools(1000, 100);
    let mut spool = spools.open();
    let all = bytes(3 << 20, 2);
    for piece in all.chunks(70_000) {
        spool.append(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    assert_eq!(read_all(&mut spool, 0).await, all);
    assert_eq!(
        spool.sha256().await.unwrap(),
        *ring::digest::digest(&SHA256, &all).as_ref()
    );
    let visible = std::fs::read_dir(folder.path().join("spool"))
        .unwrap()
        .count();
    assert_eq!((visible, spools.ledger().used()), (0, 3 << 20));
    drop(spool);
    assert_eq!(spools.ledger().used(), 0);
}

#[tokio::test]
async fn a_crowded_disk_and_a_folder_that_cannot_be_made_are_told_apart() {
    let (_folder, crowded) = spools(0, 0);
    let mut spool = crowded.open();
    let mut outcome = Ok(());
    for _ in 0..4 {
        outcome = outcome.and(spool.append(Bytes::from(bytes(BATCH, 3))).await);
    }
    assert_eq!(outcome, Err(Full::Disk));
    let (folder, broken) = spools(0, 100);
    std::fs::write(folder.path().join("spool"), "a file in the way").unwrap();
    let failed = broken.open().append(Bytes::from(bytes(BATCH, 4))).await;
    assert_eq!(failed, Err(Full::Failed));
}

#[tokio::test]
async fn a_cut_spool_goes_on_where_it_was_cut() {
    let all = bytes(2 << 20, 6);
    for cut in [0, 500, 1000, 1001, 300_000, 1_500_000, 2 << 20, 3 << 20] {
        let (_folder, spools) = spools(1000, 100);
        let mut spool = spools.open();
        for piece in all.chunks(60_000) {
            spool.append(Bytes::copy_from_slice(piece)).await.unwrap();
        }
        spool.truncate(cut).await.unwrap();
        let kept = usize::try_from(cut).unwrap().min(all.len());
        let other = bytes(700_000, 7);
        spool.append(Bytes::from(other.clone())).await.unwrap();
        let expected = [all.get(..kept).unwrap(), other.as_slice()].concat();
        assert!(read_all(&mut spool, 0).await == expected, "cut at {cut}");
        assert_eq!(
            spools.ledger().used(),
            u64::try_from(expected.len()).unwrap()
        );
    }
}

#[tokio::test]
async fn tiny_pieces_cost_little_more_than_their_bytes() {
    let (_folder, spools) = spools(0, 100);
    let mut spool = spools.open();
    let all = bytes(BATCH + 100_000, 8);
    for (at, piece) in all.chunks(3).enumerate() {
        spool.append(Bytes::copy_from_slice(piece)).await.unwrap();
        let end = (at + 1) * 3;
        if end % 30_000 == 0 {
            let from = u64::try_from(end - 10).unwrap();
            assert_eq!(
                read_all(&mut spool, from).await,
                all.get(end - 10..end).unwrap()
            );
        }
    }
    assert!(spool.tail.batch.capacity() <= BATCH);
    assert_eq!(read_all(&mut spool, 0).await, all);
    spool.truncate(70_000).await.unwrap();
    assert_eq!(read_all(&mut spool, 0).await, all.get(..70_000).unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn what_was_appended_is_read_back_from_any_offset(
        sizes in prop::collection::vec(0_usize..150_000, 0..20),
        memory in 0_u64..200_000,
        from in 0_u64..2_000_000,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (_folder, spools) = spools(memory, 100);
            let mut spool = spools.open();
            let all = bytes(sizes.iter().sum(), 5);
            let mut rest = Bytes::from(all.clone());
            for size in sizes {
                spool.append(rest.split_to(size)).await.unwrap();
            }
            let from = from.min(spool.length());
            let expected = all.get(usize::try_from(from).unwrap()..).unwrap();
            assert_eq!(read_all(&mut spool, from).await, expected);
        });
    }
}

#[tokio::test]
async fn room_is_what_the_limits_leave() {
    let (_folder, roomy) = spools(0, 100);
    let mut spool = roomy.open();
    spool.append(Bytes::from(bytes(60 << 20, 1))).await.unwrap();
    assert_eq!(spool.room(4 << 20).await, Ok(()));
    assert_eq!(spool.room(5 << 20).await, Err(Full::Upload));
    assert_eq!(roomy.open().room(5 << 20).await, Err(Full::Total));
    // More of the disk is in use than nothing.
    let (folder, crowded) = spools(0, 0);
    std::fs::create_dir_all(folder.path().join("spool")).unwrap();
    let spool = crowded.open();
    assert_eq!(spool.room(1000).await, Ok(()), "memory has room");
    assert_eq!(spool.room(1 << 20).await, Err(Full::Disk));
}
