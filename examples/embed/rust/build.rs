//! Names the compiler and the profile, which are part of what the start-up time means.

use std::env;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    let rustc = Command::new(env::var_os("RUSTC").expect("cargo sets RUSTC"))
        .arg("--version")
        .output()
        .expect("rustc runs");
    // "rustc 1.95.0 (59807616e 2026-04-14)"
    let version = String::from_utf8_lossy(&rustc.stdout);
    let name: Vec<_> = version.split_whitespace().take(2).collect();
    println!("cargo:rustc-env=BUILT_BY={}", name.join(" "));

    // TARGET/PROFILE/build/PACKAGE/out; cargo's own PROFILE says "release" for all that inherit it.
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let profile = out.ancestors().nth(3).and_then(|dir| dir.file_name()).unwrap_or_default();
    println!("cargo:rustc-env=BUILD_PROFILE={}", profile.to_string_lossy());
    println!("cargo:rerun-if-changed=build.rs");
}
