//! What is brought, and what is refused before anything live changes; messages whole.

use crate::common::*;
use deploy_core::{
    FileSource, InstanceSpec, InstanceState, Instances as _, Kind, Revision, SecretRef, Side, Source, Workload,
};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// An archive of files that may be executed.
pub(crate) fn archive(dir: &Path, name: &str, files: &[(&str, &str, u32)]) -> PathBuf {
    let path = dir.join(name);
    let mut builder = tar::Builder::new(Vec::new());
    for (file, text, mode) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(*mode);
        header.set_cksum();
        builder.append_data(&mut header, file, text.as_bytes()).expect("added");
    }
    let bytes = builder.into_inner().expect("an archive");
    let packed = if name.ends_with(".zst") { zstd::encode_all(&bytes[..], 1).expect("packed") } else { gzip(&bytes) };
    std::fs::write(&path, packed).expect("written");
    path
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).expect("packed");
    gzip.finish().expect("packed")
}

const RUN: &str = "#!/bin/sh\necho \"$0 $* in $PWD\"\nexec sleep 600\n";

/// The whole message of a refusal, with `DIR` in place of the test's own directory.
pub(crate) async fn refused(bench: &Bench, spec: InstanceSpec) -> (Kind, String) {
    let revision = Revision::of(spec).expect("a revision");
    let refused = bench.machine.prepare(&bench.track, std::slice::from_ref(&revision), TOKEN).await;
    let refused = refused.expect_err("it is refused");
    assert!(!bench.dir().join("releases").join(revision.id.as_str()).exists(), "nothing is there of it");
    let staged = std::fs::read_dir(bench.root.path().join("root/staging")).into_iter().flatten().count();
    assert_eq!(staged, 0, "nothing is left in staging");
    (refused.kind(), refused.to_string().replace(bench.root.path().to_str().expect("UTF-8"), "DIR"))
}

#[tokio::test]
async fn archives_are_unpacked_and_run_in_their_release() {
    for name in ["app.tar.gz", "app.tgz", "app.tar.zst"] {
        let bench = bench();
        let path = archive(bench.root.path(), name, &[("bin/app", RUN, 0o4755), ("etc/app.conf", "x=1", 0o644)]);
        let instance = bench.launched(artifact(&path, &["bin/app", "--flag"])).await;
        let release = bench.dir().join("releases").join(instance.side.revision.as_str());
        let (app, dir) = (release.join("bin/app"), release.display());
        assert_eq!(bench.said(&instance).await, [format!("{} --flag in {dir}", app.display())]);
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(app).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o7777, 0o755, "setuid is gone");
    }
}

#[tokio::test]
async fn a_single_binary_and_a_directory_run_too() {
    let bench = bench();
    let single = program(bench.root.path(), "app", RUN);
    std::fs::set_permissions(&single, std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("as downloaded");
    let instance = bench.launched(artifact(&single, &[])).await;
    assert!(bench.said(&instance).await[0].contains("/app  in "));
    bench.machine.stop(&bench.track, &instance.id, LONG, TOKEN).await.expect("told");
    bench.end_as_told().await;
    bench.machine.stop(&bench.track, &instance.id, LONG, TOKEN).await.expect("removed");

    let dir = bench.root.path().join("dir");
    std::fs::create_dir_all(dir.join("bin")).expect("made");
    program(&dir, "bin/app", RUN);
    let mut workload = Workload::new(Source::Directory(FileSource::path(dir.to_string_lossy())));
    workload.command = vec!["bin/app".into()];
    let instance = bench.launched(workload.instance_spec()).await;
    assert!(bench.said(&instance).await[0].contains("bin/app  in "));
}

#[tokio::test]
async fn what_is_there_is_not_brought_again() {
    let bench = bench();
    let path = archive(bench.root.path(), "app.tar.gz", &[("app", RUN, 0o755)]);
    let launch = bench.prepared(artifact(&path, &["app"])).await;
    std::fs::remove_file(&path).expect("the artifact is gone");
    let revision = Revision { id: launch.side.revision.clone(), spec: Some(launch.spec.clone()) };
    bench.machine.prepare(&bench.track, &[revision, Revision::adopted()], TOKEN).await.expect("nothing is needed");
}

#[tokio::test]
async fn preparing_may_be_dropped_anywhere_and_goes_on() {
    let bench = bench();
    let names: Vec<_> = (0..50).map(|n| format!("lib/{n}")).collect();
    let mut files = vec![("app", RUN, 0o755)];
    files.extend(names.iter().map(|name| (name.as_str(), "x", 0o644)));
    let path = archive(bench.root.path(), "app.tar.gz", &files);
    for millis in [0, 1, 2, 4, 8, 16] {
        let mut spec = artifact(&path, &["app"]);
        spec.env.insert("N".into(), millis.to_string());
        let revision = Revision::of(spec.clone()).expect("a revision");
        let revisions = [revision.clone()];
        let prepare = bench.machine.prepare(&bench.track, &revisions, TOKEN);
        let _ = tokio::time::timeout(std::time::Duration::from_millis(millis), prepare).await;
        bench.prepared(spec).await;
        let lib = bench.dir().join("releases").join(revision.id.as_str()).join("lib");
        assert_eq!(std::fs::read_dir(lib).expect("unpacked").count(), 50, "dropped after {millis} ms");
    }
}

#[tokio::test]
async fn an_artifact_with_another_digest_is_refused() {
    let bench = bench();
    let path = program(bench.root.path(), "app", "#!/bin/sh\n");
    let mut spec = artifact(&path, &[]);
    let Source::Artifact(file) = &mut spec.source else { return };
    file.sha256 = Some("0".repeat(64));
    let (kind, message) = refused(&bench, spec).await;
    assert_eq!(kind, Kind::Invalid);
    assert_eq!(
        message,
        "artifact DIR/app has the SHA-256 a8076d3d28d21e02012b20eaf7dbf75409a6277134439025f282e368e3305abf, \
         the spec says 0000000000000000000000000000000000000000000000000000000000000000: \
         it is not what the release was made from; at: workloads.web.source.artifact; track: shop/production/web@local"
    );
}

#[tokio::test]
async fn an_artifact_of_another_size_is_refused() {
    let bench = bench();
    let path = program(bench.root.path(), "app", "#!/bin/sh\n");
    let mut spec = artifact(&path, &[]);
    let Source::Artifact(file) = &mut spec.source else { return };
    file.size = Some(11);
    assert_eq!(
        refused(&bench, spec).await.1,
        "artifact DIR/app has 10 bytes, the spec says 11: it is not what the release was made from; \
         at: workloads.web.source.artifact; track: shop/production/web@local"
    );
}

#[tokio::test]
async fn a_directory_that_has_changed_is_refused() {
    let bench = bench();
    let dir = bench.root.path().join("dir");
    std::fs::create_dir(&dir).expect("made");
    program(&dir, "app", "#!/bin/sh\n");
    let mut digest = deploy_core::DirectoryDigest::new();
    digest.add("app", true, "a8076d3d28d21e02012b20eaf7dbf75409a6277134439025f282e368e3305abf");
    let held = |sha256| {
        let source = FileSource { path: dir.to_string_lossy().into_owned(), sha256: Some(sha256), size: None };
        let mut workload = Workload::new(Source::Directory(source));
        workload.command = vec!["app".into()];
        workload.instance_spec()
    };
    bench.prepared(held(digest.finish())).await;
    let (_, message) = refused(&bench, held("0".repeat(64))).await;
    let expected = format!(
        "directory DIR/dir has the SHA-256 {}, the spec says {}: it is not what the release was made from; \
         at: workloads.web.source.directory; track: shop/production/web@local",
        digest.finish(),
        "0".repeat(64)
    );
    assert_eq!(message, expected);
}

#[tokio::test]
async fn an_empty_artifact_is_refused() {
    let bench = bench();
    let none = bench.root.path().join("none");
    std::fs::write(&none, "").expect("written");
    let hollow = archive(bench.root.path(), "hollow.tar.gz", &[]);
    std::fs::create_dir(bench.root.path().join("dir")).expect("made");
    let dir = FileSource::path(bench.root.path().join("dir").to_string_lossy());
    let dir = Workload::new(Source::Directory(dir)).instance_spec();
    for (spec, what, key) in [
        (artifact(&none, &[]), "artifact DIR/none", "artifact"),
        (artifact(&hollow, &["app"]), "artifact DIR/hollow.tar.gz", "artifact"),
        (dir, "directory DIR/dir", "directory"),
    ] {
        assert_eq!(
            refused(&bench, spec).await,
            (
                Kind::Invalid,
                format!(
                    "{what} is empty: there is nothing in it to run; at: workloads.web.source.{key}; \
                     track: shop/production/web@local"
                )
            )
        );
    }
}

#[tokio::test]
async fn an_executable_that_is_missing_or_not_executable_is_refused() {
    let bench = bench();
    let path = archive(bench.root.path(), "app.tar.gz", &[("bin/app", RUN, 0o644)]);
    for (run, kind, message) in [
        ("bin/other", Kind::Candidate, "program `bin/other` can never run in the release: it is not there"),
        (
            "bin/app",
            Kind::Candidate,
            "program `bin/app` can never run in the release: it may not be executed (mode 644)",
        ),
        ("bin", Kind::Candidate, "program `bin` can never run in the release: it is a directory"),
        ("../bin/app", Kind::Invalid, "program `../bin/app` leads outside the release: give a path inside it"),
    ] {
        let place = "; at: workloads.web.source.artifact; track: shop/production/web@local";
        assert_eq!(refused(&bench, artifact(&path, &[run])).await, (kind, format!("{message}{place}")));
    }
    assert_eq!(
        refused(&bench, artifact(&path, &[])).await.1,
        "there is no program to run: give `command`, the program's path in the release first; \
         at: workloads.web.source.artifact; track: shop/production/web@local"
    );
}

#[tokio::test]
async fn a_missing_artifact_and_an_image_are_refused() {
    let bench = bench();
    assert_eq!(
        refused(&bench, artifact(Path::new("/no/such/app.tar.gz"), &["app"])).await,
        (
            Kind::NotFound,
            "cannot read /no/such/app.tar.gz: No such file or directory (os error 2); \
             at: workloads.web.source.artifact; track: shop/production/web@local"
                .to_owned()
        )
    );
    let image = Workload::new(Source::Image("shop/web:2".into())).instance_spec();
    assert_eq!(
        refused(&bench, image).await,
        (
            Kind::Unsupported,
            "image `shop/web:2` cannot run as a plain process: give an artifact, a directory or a command; \
             at: workloads.web.source.image; track: shop/production/web@local"
                .to_owned()
        )
    );
}

#[tokio::test]
async fn a_secret_that_cannot_be_resolved_is_refused() {
    let bench = bench();
    let vault = SecretRef { provider: "vault".into(), key: "db".into(), version: Some("3".into()) };
    for (secret, message) in [
        (
            SecretRef::env("NO_SUCH_VARIABLE"),
            "the secret `env:NO_SUCH_VARIABLE` cannot be resolved: the engine's environment has no such variable",
        ),
        (SecretRef::file("/no/such"), "the secret `file:/no/such` cannot be resolved: there is no such file"),
        (vault, "the secret `vault:db@3` cannot be resolved: there is no provider `vault`, only env, file"),
    ] {
        let mut spec = command(&["/bin/sleep", "600"]);
        spec.secrets.insert("DATABASE_URL".into(), secret);
        let place = "; at: workloads.web.secrets.DATABASE_URL; track: shop/production/web@local";
        assert_eq!(refused(&bench, spec).await, (Kind::Invalid, format!("{message}{place}")));
    }
}

#[tokio::test]
async fn a_secret_is_kept_for_its_revision_and_shown_nowhere() {
    let bench = bench();
    let file = bench.root.path().join("secret");
    std::fs::write(&file, "hush\n").expect("written");
    let mut spec = script("echo \"it is $PASSWORD\"; exec sleep 600");
    spec.secrets.insert("PASSWORD".into(), SecretRef::file(file.to_string_lossy()));
    let launch = bench.prepared(spec).await;
    std::fs::remove_file(&file).expect("its value of today is gone");
    let revision = Revision { id: launch.side.revision.clone(), spec: Some(launch.spec.clone()) };
    bench.machine.prepare(&bench.track, &[revision], TOKEN).await.expect("its value was kept");
    bench.machine.launch(&bench.slot(0).await, &launch, TOKEN).await.expect("launched");
    let instance = bench.only().await;
    assert_eq!(bench.said(&instance).await, ["it is ***"]);
    assert!(!format!("{:?}{launch:?}{instance:?}", bench.machine).contains("hush"));
    use std::os::unix::fs::PermissionsExt as _;
    let kept = bench.dir().join("secrets").join(format!("{}.json", launch.side.revision));
    assert_eq!(std::fs::metadata(kept).expect("kept").permissions().mode() & 0o777, 0o600);

    let log = bench.dir().join("instances").join(instance.id.as_str()).join("log");
    assert_eq!(std::fs::read_to_string(log).expect("its log"), "it is hush\n", "the program did get it");
}

#[tokio::test]
async fn what_serves_is_current_and_what_stood_there_before_is_kept() {
    let bench = bench();
    let path = archive(bench.root.path(), "app.tar.gz", &[("app", RUN, 0o755)]);
    let launch = bench.prepared(artifact(&path, &["app"])).await;
    let current = bench.dir().join("current");
    std::fs::create_dir(&current).expect("somebody's directory");
    std::fs::write(current.join("precious"), "1").expect("written");
    for _ in 0..2 {
        bench.machine.serving(&bench.track, &launch.side, TOKEN).await.expect("marked");
    }
    let target = std::fs::read_link(&current).expect("a link");
    assert_eq!(target, Path::new("releases").join(launch.side.revision.as_str()));
    let kept: Vec<_> = std::fs::read_dir(bench.dir().join("backup")).expect("a backup").flatten().collect();
    assert_eq!(kept.len(), 1);
    assert!(kept[0].path().join("precious").exists());

    let other = Side::home("command".into());
    bench.machine.serving(&bench.track, &other, TOKEN).await.expect("it has no bits");
    assert_eq!(std::fs::read_link(&current).expect("a link"), target);
}

#[tokio::test]
async fn a_crash_loop_is_seen_as_ends() {
    let bench = bench();
    for code in 1..=3 {
        let instance = bench.launched(script(&format!("exit {code}"))).await;
        let exit = deploy_core::Exit { code: Some(code), signal: None };
        assert_eq!(bench.end().await, InstanceState::Exited(exit));
        bench.machine.stop(&bench.track, &instance.id, LONG, TOKEN).await.expect("removed");
    }
}
