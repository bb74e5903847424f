//! `runner man`: prints or writes the man pages.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use contract::ShowPath;
use engine::error::Error;
use engine::wording;

use super::{command, output_path, unwritten};
use crate::report::Console;

/// Print the man page, or write one for each subcommand
#[derive(Debug, Args)]
pub(super) struct Man {
    /// Write `runner.1`, `runner-run.1` and so on into this folder
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Man {
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        // clap's own subcommand `help` needs no page.
        let mut command = command().disable_help_subcommand(true);
        command.build();
        match self.dir {
            None => console.result(&whole(&command)?).map_err(unwritten),
            Some(dir) => {
                output_path::check_folder(&dir)?;
                fs::create_dir_all(&dir).map_err(Error::io("create", &dir))?;
                let pages = write_all(&command, &dir)?;
                let pages = wording::counted(pages, "page");
                console.message(&format!("wrote {pages} to `{}`", dir.shown()));
                Ok(())
            }
        }
    }
}

/// One page for everything: the program itself, and sections for each subcommand.
fn whole(command: &clap::Command) -> Result<String, Error> {
    let mut text = page(command)?;
    for subcommand in visible(command) {
        add_sections(subcommand, &mut text)?;
    }
    Ok(text)
}

fn add_sections(command: &clap::Command, text: &mut String) -> Result<(), Error> {
    let title = name(command).replace('-', " ").to_uppercase();
    text.push_str(&format!(".SH \"{title}\"\n"));
    for line in sections(command)?.lines() {
        text.push_str(&line.replacen(".SH ", ".SS ", 1));
        text.push('\n');
    }
    for subcommand in visible(command) {
        add_sections(subcommand, text)?;
    }
    Ok(())
}

/// Writes a page for `command` and each of its subcommands, and returns the number of pages.
fn write_all(command: &clap::Command, dir: &Path) -> Result<usize, Error> {
    let mut pages = 1;
    let file = dir.join(format!("{}.1", name(command)));
    fs::write(&file, page(command)?).map_err(Error::io("write", &file))?;
    for subcommand in visible(command) {
        pages += write_all(subcommand, dir)?;
    }
    Ok(pages)
}

/// The page of one command.
fn page(command: &clap::Command) -> Result<String, Error> {
    let man = clap_mangen::Man::new(command.clone())
        .source(concat!("runner ", env!("CARGO_PKG_VERSION")));
    let head = rendered(|text| man.render_title(text))?;
    let name = section(|text| man.render_name_section(text))?;
    let mut text = head + &name + &sections(command)?;
    if visible(command).next().is_some() {
        text += &section(|text| man.render_subcommands_section(text))?;
    }
    Ok(text)
}

/// Synopsis, description, options and examples of a command.
fn sections(command: &clap::Command) -> Result<String, Error> {
    let man = clap_mangen::Man::new(command.clone());
    let mut text = section(|text| man.render_synopsis_section(text))?;
    text += &section(|text| man.render_description_section(text))?;
    text += &section(|text| man.render_options_section(text))?;
    let more = command.get_after_help().map(ToString::to_string);
    for block in more.unwrap_or_default().split("\n\n") {
        // A block with a title, such as `Examples:`, and lines that must stay as they are.
        if let Some((title, lines)) = block.split_once(":\n") {
            let lines: String = lines.lines().map(literal).collect();
            text += &format!(".SH \"{}\"\n.nf\n{lines}.fi\n", title.to_uppercase());
        }
    }
    Ok(text)
}

/// Escapes a line so that roff prints it unchanged.
fn literal(line: &str) -> String {
    let line = line
        .replace('\\', "\\e")
        .replace('-', "\\-")
        .replace('\'', "\\(aq");
    format!("\\&{line}\n")
}

fn visible(command: &clap::Command) -> impl Iterator<Item = &clap::Command> {
    let subcommands = command.get_subcommands();
    subcommands.filter(|command| !command.is_hide_set())
}

/// `runner-cache-gc`.
fn name(command: &clap::Command) -> &str {
    command.get_display_name().unwrap_or(command.get_name())
}

/// Renders a section without the preamble of a page, which clap_mangen adds to every section.
fn section(render: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> Result<String, Error> {
    let text = rendered(render)?;
    let lines = text.lines();
    let lines = lines.filter(|line| !line.starts_with(".ie ") && !line.starts_with(".el "));
    Ok(lines.map(|line| format!("{line}\n")).collect())
}

fn rendered(render: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> Result<String, Error> {
    let mut text = Vec::new();
    render(&mut text).map_err(|error| Error::Internal(error.to_string()))?;
    String::from_utf8(text).map_err(|error| Error::Internal(error.to_string()))
}
