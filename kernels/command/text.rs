//! From a command as written to the words that are started.

use crate::params::nearest;

/// Words that mean something to a shell only. As an argument of a program they are a slip.
const SHELL_ONLY: &[&str] =
    &["|", "||", "|&", "&", "&&", ";", "<", "<<", "<<<", ">", ">>", ">|", "2>", "2>&1", "&>"];

/// What braces may hold, and what they stand for.
pub(super) struct Places<'a> {
    /// (name, text); `threads` stays as it is, for the backend.
    pub known: Vec<(&'a str, String)>,
}

impl Places<'_> {
    /// `template` with every known `{name}` replaced. Other braces are the program's own, as in
    /// `awk '{print}'`, and `${name}` is the shell's.
    fn fill(&self, template: &str, quote: fn(&str) -> String) -> String {
        let mut out = String::new();
        let mut rest = template;
        while let Some(open) = rest.find('{') {
            let (before, from) = rest.split_at(open);
            out.push_str(before);
            let name = from[1..].split('}').next().unwrap_or_default();
            let closed = from.len() > name.len() + 1;
            let value = self.known.iter().find(|(known, _)| *known == name);
            match value.filter(|_| closed && !before.ends_with('$')) {
                Some((_, text)) => {
                    out.push_str(&quote(text));
                    rest = &from[name.len() + 2..];
                }
                None => {
                    out.push('{');
                    rest = &from[1..];
                }
            }
        }
        out + rest
    }

    /// Refuses a `{word}` that is nearly a known one.
    fn check(&self, template: &str) -> Result<(), String> {
        for part in template.split('{').skip(1) {
            let Some((name, _)) = part.split_once('}') else { continue };
            let known = || self.known.iter().map(|(known, _)| *known).chain(["threads"]);
            let word = !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            if !word || known().any(|k| k == name) {
                continue;
            }
            if let Some(near) = nearest(name, known()) {
                return Err(format!("nothing is called {{{name}}}, did you mean {{{near}}}?"));
            }
        }
        Ok(())
    }

    /// The words of a command: split by quotes and spaces, or left to `sh -c`.
    ///
    /// # Errors
    /// What is wrong with it and what would do.
    pub fn words(&self, command: &str, shell: bool) -> Result<Vec<String>, String> {
        self.check(command)?;
        if command.contains('\0') {
            return Err("it holds a zero byte, which no command line can".into());
        }
        if command.trim().is_empty() {
            return Err("it is empty; give a program and its arguments".into());
        }
        if shell {
            let text = self.fill(command, quoted);
            return Ok(vec!["sh".into(), "-c".into(), text]);
        }
        let Some(words) = shlex::split(command) else {
            return Err("a quote is not closed, or it ends in a backslash".into());
        };
        if let Some(word) = words.iter().find(|w| SHELL_ONLY.contains(&w.as_str())) {
            return Err(format!("`{word}` needs a shell: set shell = true (--shell)"));
        }
        let assigns = |word: &str| {
            let name = word.split_once('=').map_or("", |(name, _)| name);
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        match words.first() {
            None => Err("it is empty; give a program and its arguments".into()),
            Some(first) if assigns(first) => {
                Err(format!("`{first}` is no program; put variables into env = {{ … }}"))
            }
            Some(_) => Ok(words.iter().map(|word| self.fill(word, str::to_owned)).collect()),
        }
    }
}

/// `text` as one word of a shell.
fn quoted(text: &str) -> String {
    shlex::try_quote(text).map_or_else(|_| text.to_owned(), std::borrow::Cow::into_owned)
}
