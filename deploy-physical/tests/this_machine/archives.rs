//! Archives that try to get out.

use crate::common::*;
use crate::prepare::{gzip, refused};
use deploy_core::Kind;
use deploy_physical::Bounds;
use std::path::PathBuf;

/// One entry, written byte by byte so that nothing is made harmless on the way.
struct Entry {
    path: &'static str,
    kind: tar::EntryType,
    target: &'static str,
    text: &'static str,
}

const fn file(path: &'static str) -> Entry {
    Entry { path, kind: tar::EntryType::Regular, target: "", text: "#!/bin/sh\n" }
}

const fn link(path: &'static str, target: &'static str) -> Entry {
    Entry { path, kind: tar::EntryType::Symlink, target, text: "" }
}

const fn hard(path: &'static str, target: &'static str) -> Entry {
    Entry { path, kind: tar::EntryType::Link, target, text: "" }
}

const fn other(path: &'static str, kind: tar::EntryType) -> Entry {
    Entry { path, kind, target: "", text: "" }
}

fn packed(bench: &Bench, entries: &[Entry]) -> PathBuf {
    let mut builder = tar::Builder::new(Vec::new());
    for entry in entries {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..entry.path.len()].copy_from_slice(entry.path.as_bytes());
        header.as_old_mut().linkname[..entry.target.len()].copy_from_slice(entry.target.as_bytes());
        header.set_entry_type(entry.kind);
        header.set_mode(0o755);
        header.set_size(entry.text.len() as u64);
        header.set_cksum();
        builder.append(&header, entry.text.as_bytes()).expect("added");
    }
    let path = bench.root.path().join("evil.tar.gz");
    std::fs::write(&path, gzip(&builder.into_inner().expect("an archive"))).expect("written");
    path
}

async fn attack(entries: &[Entry]) -> String {
    let bench = bench();
    let (kind, message) = refused(&bench, artifact(&packed(&bench, entries), &["app"])).await;
    assert_eq!(kind, Kind::Invalid);
    let place = "; at: workloads.web.source.artifact; track: shop/production/web@local";
    let message = message.strip_suffix(place).expect("it says where").to_owned();
    message.strip_prefix("artifact DIR/evil.tar.gz: ").expect("it says what").to_owned()
}

#[tokio::test]
async fn a_path_outside_the_release_is_refused() {
    for path in ["../evil", "/tmp/evil", "a/../../evil"] {
        assert_eq!(
            attack(&[file("app"), file(path)]).await,
            format!("entry `{path}` is refused: its path leads outside the release")
        );
    }
}

#[tokio::test]
async fn a_link_that_leads_outside_is_refused() {
    for (at, target) in [
        ("l", "/etc/passwd"),
        ("l", "../evil"),
        ("a/l", "../../evil"),
        ("l", "a/../../evil"),
        ("l", "a/.."),
        ("a/b/l", "../../../x"),
    ] {
        assert_eq!(
            attack(&[file("app"), link(at, target)]).await,
            format!("entry `{at}` is refused: it links to something outside the release")
        );
    }
}

#[tokio::test]
async fn a_path_through_a_link_is_refused() {
    let through = "is refused: its path leads through something that is no directory";
    assert_eq!(attack(&[file("d/app"), link("l", "d"), file("l/evil")]).await, format!("entry `l/evil` {through}"));
    assert_eq!(attack(&[link("x", "."), link("x/y", "../..")]).await, format!("entry `x/y` {through}"));
}

#[tokio::test]
async fn a_hard_link_to_anything_but_a_file_inside_is_refused() {
    for target in ["/etc/passwd", "../evil", "missing", "l"] {
        assert_eq!(
            attack(&[file("app"), link("l", "app"), hard("h", target)]).await,
            "entry `h` is refused: it links to something that is no file of the archive"
        );
    }
}

#[tokio::test]
async fn devices_and_pipes_are_refused() {
    for kind in [tar::EntryType::Char, tar::EntryType::Block, tar::EntryType::Fifo] {
        assert_eq!(
            attack(&[file("app"), other("evil", kind)]).await,
            "entry `evil` is refused: it is neither file, directory nor link"
        );
    }
}

#[tokio::test]
async fn a_path_that_stands_twice_is_refused() {
    let twice = "entry `app` is refused: it stands in the archive twice";
    assert_eq!(attack(&[file("app"), file("app")]).await, twice);
    assert_eq!(attack(&[link("app", "other"), file("app")]).await, twice);
}

#[tokio::test]
async fn links_inside_are_kept() {
    let bench = bench();
    let entries = [file("bin/real"), link("app", "bin/real"), link("bin/up", "../app"), hard("bin/too", "bin/real")];
    let launch = bench.prepared(artifact(&packed(&bench, &entries), &["app"])).await;
    let release = bench.dir().join("releases").join(launch.side.revision.as_str());
    for path in ["app", "bin/up", "bin/too"] {
        assert_eq!(std::fs::read_to_string(release.join(path)).expect("it leads inside"), "#!/bin/sh\n");
    }
}

#[tokio::test]
async fn an_archive_beyond_its_bounds_is_refused() {
    for (bounds, why) in [
        (Bounds { bytes: 15, entries: 9 }, "it holds more than 15 bytes when unpacked"),
        (Bounds { bytes: 99, entries: 1 }, "it has more than 1 entries"),
    ] {
        let bench = bench_with(|builder| builder.bounds(bounds));
        let path = packed(&bench, &[file("app"), file("other")]);
        let place = "; at: workloads.web.source.artifact; track: shop/production/web@local";
        let expected = format!("artifact DIR/evil.tar.gz: {why}{place}");
        assert_eq!(refused(&bench, artifact(&path, &["app"])).await, (Kind::Invalid, expected));
    }
}

#[tokio::test]
async fn directories_that_an_archive_only_leads_through_count_as_entries() {
    let bench = bench_with(|builder| builder.bounds(Bounds { bytes: 99, entries: 4 }));
    let path = packed(&bench, &[file("app"), file("a/b/c/app")]);
    let place = "; at: workloads.web.source.artifact; track: shop/production/web@local";
    let expected = format!("artifact DIR/evil.tar.gz: it has more than 4 entries{place}");
    assert_eq!(refused(&bench, artifact(&path, &["app"])).await, (Kind::Invalid, expected));
}

#[tokio::test]
async fn what_is_no_archive_is_refused() {
    let bench = bench();
    let path = bench.root.path().join("evil.tar.gz");
    std::fs::write(&path, gzip(&[7; 2000])).expect("written");
    let (kind, message) = refused(&bench, artifact(&path, &["app"])).await;
    assert_eq!(kind, Kind::Invalid);
    assert!(message.starts_with("artifact DIR/evil.tar.gz: it is no archive that can be read: "), "{message}");
}

#[tokio::test]
async fn long_names_are_taken_and_endless_ones_refused() {
    let bench = bench();
    let long = format!("{}/{}", "d".repeat(120), "f".repeat(120));
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(10);
    header.set_mode(0o755);
    builder.append_data(&mut header.clone(), &long, &b"#!/bin/sh\n"[..]).expect("added");
    builder.append_pax_extensions([("path", b"pax/app" as &[u8])]).expect("added");
    header.set_path("short").expect("a path");
    header.set_cksum();
    builder.append(&header, &b"#!/bin/sh\n"[..]).expect("added");
    let path = bench.root.path().join("app.tar.gz");
    std::fs::write(&path, gzip(&builder.into_inner().expect("an archive"))).expect("written");
    let launch = bench.prepared(artifact(&path, &["pax/app"])).await;
    assert!(bench.dir().join("releases").join(launch.side.revision.as_str()).join(long).exists());

    let mut builder = tar::Builder::new(Vec::new());
    builder.append_pax_extensions([("comment", &[b'x'; 70_000] as &[u8])]).expect("added");
    std::fs::write(&path, gzip(&builder.into_inner().expect("an archive"))).expect("written");
    let (_, message) = refused(&bench, artifact(&path, &["app"])).await;
    let expected = "artifact DIR/app.tar.gz: an entry has a name or attributes of more than 64 KiB; ";
    assert!(message.starts_with(expected), "{message}");
}
