//! Drives one target by libFuzzer: the one that `DEPLOY_FUZZ_TARGET` names.

#![no_main]

use deploy_fuzz::{TARGETS, Target};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use std::sync::OnceLock;

fn target() -> &'static Target {
    static TARGET: OnceLock<&'static Target> = OnceLock::new();
    TARGET.get_or_init(|| {
        let name = std::env::var("DEPLOY_FUZZ_TARGET").unwrap_or_default();
        TARGETS.iter().find(|target| target.name == name).expect("DEPLOY_FUZZ_TARGET names a target")
    })
}

fuzz_target!(|data: &[u8]| (target().run)(data));

// Three of four changes of JSON leave it JSON.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let changed = (target().json && seed % 4 != 0).then(|| deploy_fuzz::mutate::json(&data[..size], seed)).flatten();
    match changed.filter(|changed| changed.len() <= max_size) {
        Some(changed) => {
            data[..changed.len()].copy_from_slice(&changed);
            changed.len()
        }
        None => fuzzer_mutate(data, size, max_size),
    }
});
