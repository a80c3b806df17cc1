//! Text that somebody else made up, on its way to a person: in it nothing steers a terminal, hides or
//! turns round a word, or begins a line that is not ours.

use std::fmt::{self, Write};

/// A text as it may stand in a line: what is hidden in it is written out.
#[derive(Clone, Copy, Debug)]
pub struct Visible<'a>(pub &'a str);

/// Lets pass what is visible, and writes out the rest.
struct Sieve<'a, W: ?Sized>(&'a mut W);

/// Whether a sign steers a terminal, ends a line, or cannot be seen and changes what can.
pub fn is_hidden(sign: char) -> bool {
    sign.is_control()
        || matches!(sign,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// Writes one line, and never more than one, whatever it is made of.
pub fn line(to: &mut (impl Write + ?Sized), text: fmt::Arguments<'_>) -> fmt::Result {
    Sieve(to).write_fmt(text)?;
    to.write_char('\n')
}

/// A JSON document with the same meaning, in which nothing is hidden.
pub fn json(document: String) -> String {
    if document.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return document;
    }
    let mut shown = String::with_capacity(document.len());
    for sign in document.chars() {
        if is_hidden(sign) {
            for unit in sign.encode_utf16(&mut [0; 2]) {
                shown.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            shown.push(sign);
        }
    }
    shown
}

impl<W: Write + ?Sized> Write for Sieve<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for sign in text.chars() {
            if is_hidden(sign) {
                write!(self.0, "{}", sign.escape_unicode())?;
            } else {
                self.0.write_char(sign)?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Visible<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Sieve(f).write_str(self.0)
    }
}

#[cfg(test)]
mod tests;
