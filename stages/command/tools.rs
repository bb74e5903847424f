//! Finds the programs that the result of a stage depends on.
//!
//! | program or file | identified by |
//! | --- | --- |
//! | the program that `argv` begins with, found in `PATH` unless it is a path | content |
//! | the interpreter that its first line names, if it is a script | content |
//! | the `pyvenv.cfg` of the virtual environment that it is in | content |
//! | an absolute path among the arguments that leads to a program or a script | content |
//! | a name under `tools` | the output of its version command; content, if it has none |
//!
//! A program with a version command counts as the same wherever it is installed. This module does
//! not find libraries and packages that a program loads, programs that it starts, or programs that the text
//! for a shell calls, unless `tools` names them. A relative path leads into the scratch folder, which contains
//! only code, files and inputs, and these are in the key already.

use std::collections::BTreeMap;
use std::env;
use std::fs::Metadata;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use contract::{ShowPath, Tool, files, lock};

/// Names under `tools`, with their version commands.
pub(super) type Declared = BTreeMap<String, Option<String>>;

/// Number of bytes of a script's first line that are read. Linux reads no more.
const LONGEST_LINE: u64 = 256;

/// File extensions of scripts that an interpreter reads even if they are not executable.
const SCRIPTS: [&str; 12] = [
    "bash", "jl", "js", "lua", "m", "pl", "py", "r", "rb", "sh", "sql", "ts",
];

/// Returns the programs that `words`, a program and its arguments, depend on.
pub(super) fn of(words: &[String], declared: &Declared) -> Vec<Tool> {
    let mut tools = Tools {
        declared,
        found: Vec::new(),
    };
    let (program, arguments) = match words {
        [] => return Vec::new(),
        [program, arguments @ ..] => (program, arguments),
    };
    tools.program(program);
    for argument in arguments {
        let path = Path::new(argument);
        if path.is_absolute() && is_script(path) {
            tools.add(argument, Some(path.to_owned()));
        }
    }
    for name in declared.keys() {
        tools.add(name, find(name));
    }
    tools.found
}

struct Tools<'a> {
    declared: &'a Declared,
    found: Vec<Tool>,
}

impl Tools<'_> {
    fn program(&mut self, name: &str) {
        let path = Path::new(name);
        if path.is_relative() && path.components().count() > 1 {
            return;
        }
        let Some(found) = program_files(name) else {
            return self.add(name, None);
        };
        let is_by_content = !matches!(self.declared.get(name), Some(Some(_)));
        let count = if is_by_content { found.len() } else { 1 };
        for (name, path) in found.into_iter().take(count) {
            self.add(&name, Some(path));
        }
    }

    fn add(&mut self, name: &str, path: Option<PathBuf>) {
        if self.found.iter().any(|tool| tool.name == name) {
            return;
        }
        self.found.push(Tool {
            name: name.to_owned(),
            path,
            version: self.declared.get(name).cloned().flatten(),
        });
    }
}

/// Returns the file of the program `name`, which is searched for in `PATH` unless it is a path; `None` if
/// there is none. A name leads to the same file for the lifetime of this process, so the program that runs is
/// the one in the key.
pub(super) fn find(name: &str) -> Option<PathBuf> {
    let (_, program) = program_files(name)?.swap_remove(0);
    Some(program)
}

/// Returns the files that the program `name` consists of, the program first. The result is cached, because
/// many stages run the same program.
fn program_files(name: &str) -> Option<Vec<(String, PathBuf)>> {
    static KNOWN: Mutex<BTreeMap<String, Vec<(String, PathBuf)>>> = Mutex::new(BTreeMap::new());
    let mut known = lock(&KNOWN);
    if let Some(files) = known.get(name) {
        return Some(files.clone());
    }
    let files = find_program_files(name)?;
    known.insert(name.to_owned(), files.clone());
    Some(files)
}

fn find_program_files(name: &str) -> Option<Vec<(String, PathBuf)>> {
    let program = in_path(Path::new(name))?;
    let interpreter = interpreter(&program);
    let environment = program.parent().and_then(Path::parent);
    let environment = environment.map(|folder| folder.join("pyvenv.cfg"));
    let mut files = vec![(name.to_owned(), program)];
    if let Some(interpreter) = interpreter {
        files.push((format!("{name} ({})", interpreter.shown()), interpreter));
    }
    // A file that cannot be examined counts as present. When it is read for the key, an error names it.
    let is_there = |file: &PathBuf| files::leads_to(file, Metadata::is_file).unwrap_or(true);
    if let Some(environment) = environment.filter(is_there) {
        files.push((format!("{name} (pyvenv.cfg)"), environment));
    }
    Some(files)
}

/// Returns `true` if a file looks like a program or a script. Returns `false` for a file that cannot be examined:
/// the command cannot read it either, and its path is in the key already.
fn is_script(path: &Path) -> bool {
    if !files::leads_to(path, Metadata::is_file).unwrap_or(false) {
        return false;
    }
    let ending = path.extension().and_then(|ending| ending.to_str());
    let ending = ending.map(str::to_ascii_lowercase);
    ending.is_some_and(|ending| SCRIPTS.contains(&ending.as_str()))
        || is_program(path)
        || first_line(path).is_some_and(|line| line.starts_with(b"#!"))
}

/// Returns the program that the first line of a script names. For `env`, returns the program that `env` would
/// find.
fn interpreter(path: &Path) -> Option<PathBuf> {
    let line = first_line(path)?;
    let line = line.strip_prefix(b"#!")?.trim_ascii();
    let line = str::from_utf8(line).ok()?;
    let mut words = line.split_ascii_whitespace();
    let program = Path::new(words.next()?);
    if program.file_name()? != "env" {
        return program.is_absolute().then(|| program.to_owned());
    }
    let is_name = |word: &&str| !word.starts_with('-') && !word.contains('=');
    in_path(Path::new(words.find(is_name)?))
}

fn first_line(path: &Path) -> Option<Vec<u8>> {
    let mut start = Vec::new();
    let file = files::open(path).ok()?;
    file.take(LONGEST_LINE).read_to_end(&mut start).ok()?;
    let end = start.iter().position(|&byte| byte == b'\n');
    start.truncate(end.unwrap_or(start.len()));
    Some(start)
}

fn in_path(name: &Path) -> Option<PathBuf> {
    if name.as_os_str().as_bytes().contains(&b'/') {
        return is_program(name).then(|| name.to_owned());
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let mut programs = env::split_paths(&path).map(|folder| folder.join(name));
    programs.find(|program| is_program(program))
}

fn is_program(path: &Path) -> bool {
    let is_runnable = |file: &Metadata| file.is_file() && file.permissions().mode() & 0o111 != 0;
    // The system also skips a file that cannot be examined, and tries the next folder of `PATH`.
    files::leads_to(path, is_runnable).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};

    use super::*;

    /// Creates a folder of files. A leading `x` makes a file executable and is not written.
    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let mode = if content.starts_with('x') {
                0o755
            } else {
                0o644
            };
            fs::write(&path, content.trim_start_matches('x')).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        }
        folder
    }

    fn names(words: &[&str], declared: &Declared) -> Vec<String> {
        let words: Vec<String> = words.iter().map(|word| word.to_string()).collect();
        of(&words, declared)
            .into_iter()
            .map(|tool| tool.name)
            .collect()
    }

    #[test]
    fn a_program_and_its_interpreter_are_found() {
        let folder = folder(&[
            ("bin/plain", "x\x7fELF"),
            ("bin/script", "x#!/bin/sh -e\n"),
            ("bin/found", "x#!/usr/bin/env -S A=1 sh -e\n"),
        ]);
        let of = |name: &str| {
            let path = folder.path().join("bin").join(name);
            names(&[path.to_str().unwrap()], &Declared::new())
        };
        assert_eq!(of("plain").len(), 1);
        assert!(of("script")[1].ends_with("script (/bin/sh)"));
        assert!(of("found")[1].ends_with("/sh)"), "{:?}", of("found"));
        assert_eq!(names(&["sh"], &Declared::new()), ["sh"]);
        assert_eq!(names(&["./mine", "a/b"], &Declared::new()), [""; 0]);
    }

    #[test]
    fn the_pyvenv_cfg_of_a_virtual_environment_is_found() {
        let folder = folder(&[("env/bin/python", "x"), ("env/pyvenv.cfg", "version = 3")]);
        let python = folder.path().join("env/bin/python");
        let python = python.to_str().unwrap();
        let expected = [python.to_owned(), format!("{python} (pyvenv.cfg)")];
        assert_eq!(names(&[python], &Declared::new()), expected);
    }

    #[test]
    fn scripts_and_programs_are_found_among_absolute_arguments() {
        let folder = folder(&[
            ("train.py", "import torch"),
            ("run", "#!/bin/sh"),
            ("tool", "x"),
            ("log.txt", "long"),
            ("data", ""),
        ]);
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let words = ["train.py", "run", "tool", "log.txt", "data", "missing.py"].map(path);
        let mut all = vec!["sh", "-u", "train.py"];
        all.extend(words.iter().map(String::as_str));
        let expected = ["sh".to_owned(), path("train.py"), path("run"), path("tool")];
        assert_eq!(names(&all, &Declared::new()), expected);
    }

    #[test]
    fn a_declared_tool_is_listed_once_with_its_version_command() {
        let declared = Declared::from([
            ("sh".to_owned(), Some("sh --version".to_owned())),
            ("env".to_owned(), None),
            ("no-such-tool".to_owned(), None),
        ]);
        let words = ["sh".to_owned(), "-c".to_owned(), "env".to_owned()];
        let tools = of(&words, &declared);
        let found: Vec<(&str, bool, bool)> = tools
            .iter()
            .map(|tool| (&*tool.name, tool.path.is_some(), tool.version.is_some()))
            .collect();
        assert_eq!(
            found,
            [
                ("sh", true, true),
                ("env", true, false),
                ("no-such-tool", false, false)
            ]
        );
    }
}
