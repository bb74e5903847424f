//! Settings of a shared cache: configuration files, consent and keys.

use std::os::unix::fs::PermissionsExt;

use super::*;

#[test]
fn a_remote_in_a_configuration_file_is_used_and_a_project_needs_consent() {
    let place = Place::folder();
    let [user, project] = [(), ()].map(|()| Machine::new());
    let folder = user.0.path(".config/runner");
    fs::create_dir_all(&folder).unwrap();
    let text = format!("[remote]\nurl = \"{}\"\nmode = \"read-write\"\n", place.url);
    fs::write(folder.join("config.toml"), &text).unwrap();
    let ran = user.0.runner(&["run", "pipeline.yaml"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stderr.contains("shared cache: "), "{ran:?}");
    let status = user.0.runner(&["status", "pipeline.yaml", "--remote"]);
    assert!(
        status.stdout.contains("3 here and in the shared cache"),
        "{status:?}"
    );
    let config = user.0.runner(&["config"]);
    assert!(config.stdout.contains("remote.url"), "{config:?}");
    assert!(config.stdout.contains(&place.url), "{config:?}");

    let project_file = project.0.path(".runner.toml");
    fs::write(&project_file, text.replace("read-write", "read")).unwrap();
    let run = ["run", "pipeline.yaml", "--json"];
    let refused = project.0.runner(&run);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(
        refused.stderr.contains("--> .runner.toml:2:7"),
        "{refused:?}"
    );
    assert!(
        refused.stderr.contains("`runner config trust`"),
        "{refused:?}"
    );
    let config = project.0.runner(&["config", "--json"]).json();
    assert_eq!(
        config["untrusted"]["remote.url"]["value"],
        place.url.as_str()
    );
    assert!(config["settings"]["remote.url"]["value"].is_null());
    // A typed remote replaces the project's.
    let alone = project
        .0
        .runner(&["status", "pipeline.yaml", "--remote", "none"]);
    assert_eq!(alone.code, Some(0), "{alone:?}");

    let allowed = project.0.runner(&["config", "trust"]);
    assert_eq!(allowed.code, Some(0), "{allowed:?}");
    let ran = project.0.runner(&run);
    assert_eq!(ran.json()["counts"]["cached"], 3, "{ran:?}");
    // The consent does not depend on the folder from which it is used.
    fs::create_dir(project.0.path("below")).unwrap();
    let mut below = project
        .0
        .command(&["status", "../pipeline.yaml", "--artifacts", "x"]);
    let below: Finished = below
        .current_dir(project.0.path("below"))
        .output()
        .unwrap()
        .into();
    assert_eq!(below.code, Some(0), "{below:?}");
    fs::write(&project_file, text).unwrap();
    assert_eq!(project.0.runner(&run).code, Some(2));
}

#[test]
fn only_results_that_an_accepted_key_has_signed_are_used() {
    let place = Place::folder();
    let [ci, person, stranger] = [(), (), ()].map(|()| Machine::new());
    // An upload without a signature.
    stranger.table(&place);
    let new =
        ci.0.runner(&["keys", "new", "--comment", "the CI of our team"]);
    assert_eq!(new.code, Some(0), "{new:?}");
    assert_eq!(ci.0.runner(&["keys", "show"]).stdout, new.stdout);
    let file = ci.0.path(".config/runner/key");
    let private = fs::read_to_string(&file).unwrap();
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert!(!format!("{new:?}").contains(private.lines().last().unwrap()));
    let again = ci.0.runner(&["keys", "new"]);
    assert_eq!(again.code, Some(2), "{again:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), private);
    assert_eq!(stranger.0.runner(&["keys", "show"]).code, Some(2));

    let keys = format!("# Keys of the team\n\n{}", new.stdout);
    for machine in [&ci, &person] {
        fs::write(machine.0.path("team.keys"), &keys).unwrap();
    }
    let read = [
        "run",
        "pipeline.yaml",
        "--json",
        "--remote-keys",
        "team.keys",
        "--remote-mode",
        "read",
    ];
    let ran = person.runner(&place, &read);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(ran.json()["counts"]["succeeded"], 3, "{ran:?}");
    assert!(ran.stderr.contains("no accepted key has signed"), "{ran:?}");

    // CI replaces the unsigned records by its own.
    let ran = ci.runner(
        &place,
        &["run", "pipeline.yaml", "--remote-keys", "team.keys"],
    );
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let other = Machine::new();
    fs::write(other.0.path("team.keys"), &keys).unwrap();
    let ran = other.runner(&place, &read);
    assert_eq!(ran.json()["counts"]["cached"], 3, "{ran:?}");

    // Who accepts only some keys and cannot sign may not write.
    let refused = other.runner(
        &place,
        &["run", "pipeline.yaml", "--remote-keys", "team.keys"],
    );
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("`runner keys new`"), "{refused:?}");
    fs::write(other.0.path("team.keys"), "runner-ed25519 00\n").unwrap();
    let refused = other.runner(&place, &read);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("team.keys:1: "), "{refused:?}");
    fs::write(other.0.path("team.keys"), "# nobody yet\n").unwrap();
    let refused = other.runner(&place, &read);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("has no keys"), "{refused:?}");
}
