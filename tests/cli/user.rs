//! `moodlake user`, and a server with users as the program's own client meets it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Stdio};

use anyhow::{Context, Result};
use arrow_flight::sql::client::FlightSqlServiceClient;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tonic::transport::Channel;

use crate::program::{Run, command, finish, moodlake};
use crate::text;

const PASSWORD: &str = "correct horse battery";

/// A running server, which ends with its test.
struct Serving {
    url: String,
    server: Child,
}

impl Serving {
    /// A server with more arguments and these secrets in its environment.
    fn start(dir: &Path, more: &[&str], secrets: &[(&str, &str)]) -> Result<Self> {
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--dir", text(dir)];
        let mut server = command(&[&arguments, more].concat())
            .envs(secrets.iter().copied())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(server.stderr.take().context("no standard error")?).read_line(&mut line)?;
        let url = line.trim().strip_prefix("listening on ");
        let url = url.context(line.clone())?.to_string();
        Ok(Self { url, server })
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Runs the program with one line of standard input.
fn told(arguments: &[&str], line: &str) -> Result<Run> {
    let mut child = command(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut input = child.stdin.take().context("no standard input")?;
    // A program that has refused already does not read it.
    let _ = writeln!(input, "{line}");
    drop(input);
    let output = child.wait_with_output()?;
    Ok(Run {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout)?,
        stderr: String::from_utf8(output.stderr)?,
    })
}

/// Adds a user to a lake, or to a folder that is made to hold one.
fn add(dir: &Path, name: &str, role: &str) -> Result<Run> {
    fs::create_dir_all(dir)?;
    let arguments = ["user", "add", name, "--role", role, "--dir", text(dir)];
    told(&arguments, PASSWORD)?.ok()
}

/// `moodlake sql` over a server, with these secrets in the environment.
fn ask(server: &Serving, sql: &str, more: &[&str], secrets: &[(&str, &str)]) -> Result<Run> {
    let arguments = ["sql", sql, "--server", &server.url, "--format", "csv"];
    let mut command = command(&[&arguments, more].concat());
    command.envs(secrets.iter().copied());
    finish(&mut command)
}

fn current_user(server: &Serving, user: &str, password: &str) -> Result<Run> {
    let secrets = [("MOODLAKE_PASSWORD", password)];
    ask(
        server,
        "select current_user() as name",
        &["--user", user],
        &secrets,
    )
}

#[test]
fn users_are_added_listed_changed_and_removed() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let lake = dir.path().join("lake");
    fs::create_dir(&lake)?;
    let list = || moodlake(&["user", "list", "--dir", text(&lake)])?.ok();
    assert!(list()?.stdout.contains("no users"));
    let bob = ["user", "add", "bob", "--dir", text(&lake)];
    let added = told(&bob, PASSWORD)?.ok()?;
    assert_eq!(added.stdout, "added bob (listener)\n");
    assert!(added.stderr.contains("no admin yet"), "{}", added.stderr);
    let added = add(&lake, "ada@example.org", "admin")?;
    assert_eq!(added.stderr, "");
    let listed = "ada@example.org  admin\nbob              listener\n";
    assert_eq!(list()?.stdout, listed);
    let kept = fs::read_to_string(lake.join(".access/access.json"))?;
    assert!(
        kept.contains("$argon2id$") && !kept.contains(PASSWORD),
        "{kept}"
    );

    moodlake(&["user", "role", "bob", "analyst", "--dir", text(&lake)])?.ok()?;
    told(
        &["user", "passwd", "bob", "--dir", text(&lake)],
        "another password",
    )?
    .ok()?;
    assert!(list()?.stdout.contains("bob              analyst\n"));
    assert_ne!(fs::read_to_string(lake.join(".access/access.json"))?, kept);
    moodlake(&["user", "remove", "ada@example.org", "--dir", text(&lake)])?.ok()?;
    assert_eq!(list()?.stdout, "bob  analyst\n");
    Ok(())
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let lake = dir.path();
    add(lake, "ada", "admin")?;
    let before = fs::read_to_string(lake.join(".access/access.json"))?;
    for (arguments, line, code, words) in [
        (&["add", "ada"][..], PASSWORD, 1, "a user 'ada' already"),
        (&["add", "ADA"], PASSWORD, 1, "a user 'ada' already"),
        (&["add", "bob"], "short", 1, "at least 8"),
        (&["add", "bob"], "", 1, "no password"),
        (
            &["add", "bob", "--role", "king"],
            PASSWORD,
            2,
            "'king' is no role",
        ),
        (&["add", "admin"], PASSWORD, 2, "is a role"),
        (&["add", "owner"], PASSWORD, 2, "cannot be the name"),
        (&["add", "a b"], PASSWORD, 2, "cannot be the name"),
        (&["passwd", "bob"], PASSWORD, 1, "no user 'bob'"),
        (&["role", "bob", "admin"], "", 1, "no user 'bob'"),
        (&["remove", "bob"], "", 1, "no user 'bob'"),
    ] {
        let run = told(
            &[&["user"], arguments, &["--dir", text(lake)]].concat(),
            line,
        )?;
        assert_eq!(run.code, code, "{arguments:?}: {}", run.stderr);
        assert!(run.stderr.contains(words), "{arguments:?}: {}", run.stderr);
        assert!(!run.stderr.contains("short "), "{}", run.stderr);
    }
    assert_eq!(
        fs::read_to_string(lake.join(".access/access.json"))?,
        before
    );
    Ok(())
}

#[test]
fn a_mistyped_folder_becomes_no_lake() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let actions = [
        &["list"][..],
        &["add", "zoe"],
        &["passwd", "zoe"],
        &["role", "zoe", "admin"],
        &["remove", "zoe"],
    ];
    let run = |action: &[&str], lake: &Path| {
        told(
            &[&["user"], action, &["--dir", text(lake)]].concat(),
            PASSWORD,
        )
    };
    let mistyped = dir.path().join("lkae");
    for action in actions {
        let refused = run(action, &mistyped)?;
        assert!(
            refused.code == 1 && refused.stderr.contains("there is no lake here"),
            "{action:?}: {}",
            refused.stderr
        );
        assert!(!mistyped.exists(), "{action:?}");
    }
    let other = dir.path().join("other");
    fs::create_dir(&other)?;
    fs::write(other.join("letter.txt"), "")?;
    assert_eq!(run(&["add", "zoe"], &other)?.code, 1);
    assert_eq!(fs::read_dir(&other)?.count(), 1);
    // What is refused in an empty folder leaves it one that can become a lake.
    let empty = dir.path().join("empty");
    fs::create_dir(&empty)?;
    for action in &actions[2..] {
        assert_eq!(run(action, &empty)?.code, 1, "{action:?}");
    }
    assert_eq!(fs::read_dir(&empty)?.count(), 0);
    run(&["add", "zoe"], &empty)?.ok()?;
    Ok(())
}

#[cfg(unix)]
#[test]
fn only_the_owner_of_the_folder_can_read_the_users() -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir()?;
    add(dir.path(), "ada", "admin")?;
    for (path, expected) in [(".access", 0o700), (".access/access.json", 0o600)] {
        let mode = fs::metadata(dir.path().join(path))?.permissions().mode();
        assert_eq!(mode & 0o777, expected, "{path}");
    }
    Ok(())
}

#[test]
fn a_running_server_knows_at_once() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let server = Serving::start(dir.path(), &[], &[])?;
    let owner = ask(&server, "select current_user() as name", &[], &[])?.ok()?;
    assert_eq!(owner.stdout, "name\nowner\n");
    add(dir.path(), "ada", "admin")?;
    let refused = ask(&server, "select 1", &[], &[])?;
    assert_eq!(refused.code, 1);
    assert!(
        refused.stderr.contains("user name and a password"),
        "{}",
        refused.stderr
    );
    assert_eq!(
        current_user(&server, "ada", PASSWORD)?.ok()?.stdout,
        "name\nada\n"
    );
    let wrong = current_user(&server, "ada", "wrong password")?;
    assert_eq!(wrong.code, 1);
    assert!(
        wrong.stderr.contains("password is wrong"),
        "{}",
        wrong.stderr
    );
    moodlake(&["user", "remove", "ada", "--dir", text(dir.path())])?.ok()?;
    assert_eq!(current_user(&server, "ada", PASSWORD)?.code, 1);
    Ok(())
}

#[test]
fn every_command_can_say_who_connects() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let lake = dir.path().join("lake");
    add(&lake, "ada", "admin")?;
    let server = Serving::start(&lake, &[], &[])?;
    let named = server.url.replace("grpc://", "grpc://ada@");
    let run = |arguments: &[&str]| {
        let mut command = command(arguments);
        finish(command.env("MOODLAKE_PASSWORD", PASSWORD))
    };
    let data = dir.path().join("data");
    moodlake(&[
        "generate",
        "--users",
        "1",
        "--days",
        "2",
        "--tracks",
        "100",
        "--out",
        text(&data),
    ])?
    .ok()?;
    let history = data.join("history");
    let imported = run(&[
        "import",
        text(&history),
        "--user",
        "bob",
        "--server",
        &named,
    ])?
    .ok()?;
    assert!(
        imported.stdout.contains(&format!("--server {named}")),
        "{}",
        imported.stdout
    );
    run(&["build", "--plan", "--server", &server.url, "--user", "ada"])?.ok()?;
    let rows = run(&[
        "sql",
        "select distinct user_id from bronze.plays_extended",
        "--server",
        &named,
        "--format",
        "csv",
    ])?;
    assert_eq!(rows.ok()?.stdout, "user_id\nbob\n");
    let without_server = run(&["sql", "select 1", "--user", "ada", "--dir", text(&lake)])?;
    assert_eq!(without_server.code, 2, "{}", without_server.stderr);
    let token = ask(&server, "select 1", &[], &[("MOODLAKE_TOKEN", "abc")])?;
    assert!(token.stderr.contains("token"), "{}", token.stderr);
    let asked = moodlake(&["sql", "select 1", "--server", &named])?;
    assert!(
        asked.code == 1 && asked.stderr.contains("MOODLAKE_PASSWORD"),
        "{}",
        asked.stderr
    );
    Ok(())
}

#[test]
fn a_server_that_others_can_reach_has_users_and_tls() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let lake = dir.path().join("lake");
    let serve = |more: &[&str]| {
        moodlake(
            &[
                &["serve", "--listen", "0.0.0.0:0", "--dir", text(&lake)],
                more,
            ]
            .concat(),
        )
    };
    let nobody = serve(&["--insecure"])?;
    assert_eq!(nobody.code, 2);
    assert!(
        nobody.stderr.contains("moodlake user add"),
        "{}",
        nobody.stderr
    );
    add(&lake, "ada", "admin")?;
    let clear = serve(&[])?;
    assert_eq!(clear.code, 2);
    assert!(
        clear.stderr.contains("--tls-cert") && clear.stderr.contains("--insecure"),
        "{}",
        clear.stderr
    );
    let half = serve(&["--tls-cert", "server.pem"])?;
    assert_eq!(half.code, 2);
    assert!(half.stderr.contains("--tls-key"), "{}", half.stderr);
    let missing = serve(&["--tls-cert", "server.pem", "--tls-key", "server.key"])?;
    assert_eq!(missing.code, 1);
    assert!(missing.stderr.contains("server.pem"), "{}", missing.stderr);
    let mut short = command(&["serve", "--listen", "127.0.0.1:0", "--dir", text(&lake)]);
    let short = finish(short.env("MOODLAKE_SECRET", "short"))?;
    assert!(
        short.code == 1 && short.stderr.contains("at least 32"),
        "{}",
        short.stderr
    );
    Ok(())
}

#[test]
fn rows_travel_over_tls_to_whoever_knows_the_authority() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let lake = dir.path().join("lake");
    add(&lake, "ada", "admin")?;
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_string(), "127.0.0.1".to_string()])?;
    let certificate = dir.path().join("server.pem");
    let key = dir.path().join("server.key");
    fs::write(&certificate, cert.pem())?;
    fs::write(&key, signing_key.serialize_pem())?;
    let tls = ["--tls-cert", text(&certificate), "--tls-key", text(&key)];
    let server = Serving::start(&lake, &tls, &[])?;
    assert!(server.url.starts_with("grpc+tls://"), "{}", server.url);
    let known = ["--user", "ada", "--ca", text(&certificate)];
    let secrets = [("MOODLAKE_PASSWORD", PASSWORD)];
    let asked = ask(&server, "select current_user() as name", &known, &secrets)?.ok()?;
    assert_eq!(asked.stdout, "name\nada\n");
    let unknown = ask(&server, "select 1", &["--user", "ada"], &secrets)?;
    assert_eq!(unknown.code, 1);
    assert!(
        unknown.stderr.contains("certificate") && unknown.stderr.contains("--ca"),
        "{}",
        unknown.stderr
    );
    Ok(())
}

#[tokio::test]
async fn a_login_lasts_over_a_restart_with_the_secret() -> Result<()> {
    let dir = tempfile::tempdir()?;
    add(dir.path(), "ada", "admin")?;
    let secret = [("MOODLAKE_SECRET", "0123456789abcdef0123456789abcdef")];
    let token = {
        let server = Serving::start(dir.path(), &[], &secret)?;
        let channel = Channel::from_shared(server.url.replace("grpc://", "http://"))?;
        let mut flight = FlightSqlServiceClient::new(channel.connect().await?);
        String::from_utf8(flight.handshake("ada", PASSWORD).await?.to_vec())?
    };
    let server = Serving::start(dir.path(), &[], &secret)?;
    let with_token = [("MOODLAKE_TOKEN", token.as_str())];
    let asked = ask(&server, "select current_user() as name", &[], &with_token)?.ok()?;
    assert_eq!(asked.stdout, "name\nada\n");
    let other = Serving::start(dir.path(), &[], &[])?;
    assert_eq!(ask(&other, "select 1", &[], &with_token)?.code, 1);
    Ok(())
}
