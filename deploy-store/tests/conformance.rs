//! The stores, held to the contract of stores.
#![cfg(feature = "sqlite")]

use deploy_core::{Error, Kind, Memory, Result};
use deploy_store::{Options, Sqlite};
use deploy_testkit::conformance::{self, Clock, Failure};
use tempfile::TempDir;

#[tokio::test]
async fn the_store_in_memory_does_what_every_store_does() -> Result<(), Failure> {
    let passed = conformance::Store::new(|clock| async move { Ok((Memory::new(move || clock.read()), ())) });
    let left_out = passed.run().await?.left_out;
    assert_eq!(left_out.len(), 2, "it ends with its process: {left_out:?}");
    Ok(())
}

async fn open(folder: TempDir, clock: Clock) -> Result<(Sqlite, TempDir)> {
    let store = Options::default().clock(move || clock.read()).open(folder.path().join("deploy.db")).await?;
    Ok((store, folder))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_in_a_file_does_what_every_store_does() -> Result<(), Failure> {
    let new = |clock| async move {
        let folder = tempfile::tempdir().map_err(|error| Error::new(Kind::Unavailable, error.to_string()))?;
        open(folder, clock).await
    };
    let damage = |folder: &TempDir| {
        let file = folder.path().join("deploy.db");
        let cut = std::fs::metadata(&file).map(|kept| kept.len() / 2).unwrap_or_default();
        let opened = std::fs::OpenOptions::new().write(true).open(file);
        opened.and_then(|file| file.set_len(cut)).expect("the file is cut short");
    };
    let passed = conformance::Store::new(new).reopened(open).damaged(damage).run().await?;
    assert_eq!(passed.left_out, [], "{passed}");
    Ok(())
}
