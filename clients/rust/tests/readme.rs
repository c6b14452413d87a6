//! What the README says, as it is written.

#[expect(dead_code, reason = "its proxy is for others")]
mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use support::Server;

/// The one block of the README that begins with `fence`.
fn block<'a>(readme: &'a str, fence: &str) -> &'a str {
    let parts: Vec<&str> = readme.split(&format!("```{fence}\n")).collect();
    assert_eq!(parts.len(), 2, "blocks of {fence}");
    parts[1].split("```").next().unwrap()
}

// The library's program runs in a package of its own, with the dependencies the
// README names; only the server's address and the folder's are other ones.
#[test]
fn the_library_does_what_the_readme_says() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| fs::read_to_string(here.join(name)).unwrap();
    let readme = read("README.md");
    let server = Server::start(&[]);
    let program = block(&readme, "rust,no_run");
    assert!(program.contains("localhost:50051"));
    let wanted = block(&readme, "toml");
    assert!(wanted.contains("\"clients/rust\""));

    let own = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| fs::write(own.path().join(name), text).unwrap();
    let manifest = read("Cargo.toml");
    let profile = &manifest[manifest.find("[profile.dev]").unwrap()..]; // what is built already serves
    write(
        "Cargo.toml",
        format!(
            "[package]\nname = \"reader\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n{}\n{profile}",
            wanted.replace("clients/rust", &here.display().to_string())
        ),
    );
    write("Cargo.lock", read("Cargo.lock"));
    fs::create_dir(own.path().join("src")).unwrap();
    write(
        "src/main.rs",
        program.replace("localhost:50051", &server.address),
    );

    let built = Path::new(env!("CARGO_BIN_EXE_rust_client"));
    let ran = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--offline"])
        .current_dir(own.path())
        .env("CARGO_TARGET_DIR", built.ancestors().nth(2).unwrap())
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&ran.stdout),
        "the kettle is in the red box\n2 kept, 0 rejected\n",
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    assert!(ran.status.success());
}
