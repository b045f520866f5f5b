//! The way an alignment takes, as a CIGAR.
//!
//! Where several ways score alike, the one counts that, going back from the end, takes a pair of
//! residues before a gap, a gap in the query before one in the target, and shorter gaps before
//! longer ones.

use std::fmt::Write;
use std::io;

use super::scoring::Mode;

/// Bits that say what a cell's H came of, and what the cells after it come of.
pub(super) const PAIRED: u8 = 1;
/// H is E: a gap in the query.
pub(super) const FROM_E: u8 = 2;
/// E of the next column opens a gap here.
pub(super) const OPENS_E: u8 = 4;
/// F of the next row opens a gap here.
pub(super) const OPENS_F: u8 = 8;
/// H is 0 and nothing comes before it (local alignment).
pub(super) const ZERO: u8 = 16;

/// What the way back may do next.
#[derive(Debug, Clone, Copy, PartialEq)]
enum At {
    /// Any of the three.
    Cell,
    /// A gap in the query, which goes on unless it was opened here.
    GapInQuery,
    /// A gap in the target, likewise.
    GapInTarget,
}

/// The way back from an alignment's end, as far as it is known.
#[derive(Debug, Clone)]
pub(super) struct Path {
    row: i32,
    column: i32,
    at: At,
    ended: bool,
    /// Operations with their lengths, last first.
    runs: Vec<(u8, u32)>,
}

/// Where an alignment begins, and its CIGAR: `=` equal residues, `X` unequal ones, `I` query residues
/// without a partner, `D` target residues without one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Traced {
    /// First aligned residue of the query; −1 where there is none.
    pub query_start: i32,
    /// First aligned residue of the target; −1 where there is none.
    pub target_start: i32,
    /// `*` where nothing is aligned.
    pub cigar: String,
}

impl Path {
    /// A way back from row `row` and column `column`.
    pub fn from(row: i32, column: i32) -> Self {
        Self { row, column, at: At::Cell, ended: false, runs: Vec::new() }
    }

    fn take(&mut self, operation: u8, length: u32) {
        match self.runs.last_mut() {
            Some((last, run)) if *last == operation => *run += length,
            _ if length > 0 => self.runs.push((operation, length)),
            _ => {}
        }
    }

    /// Goes back while in rows from `first_row` on. `bits` are those of a cell; `equal` says whether
    /// its residues are.
    pub fn go(
        &mut self,
        first_row: i32,
        bits: impl Fn(i32, i32) -> u8,
        equal: impl Fn(i32, i32) -> bool,
    ) {
        while !self.ended && self.row >= first_row && self.column >= 0 {
            let bits = bits(self.row, self.column);
            match self.at {
                At::GapInQuery if bits & OPENS_E == 0 => self.leave_query(),
                At::GapInTarget if bits & OPENS_F == 0 => self.leave_target(),
                _ if bits & ZERO != 0 => self.ended = true,
                _ if bits & PAIRED != 0 => {
                    let same = equal(self.row, self.column);
                    self.take(if same { b'=' } else { b'X' }, 1);
                    self.at = At::Cell;
                    self.row -= 1;
                    self.column -= 1;
                }
                _ if bits & FROM_E != 0 => self.leave_query(),
                _ => self.leave_target(),
            }
        }
    }

    /// Whether no cell is left to go to.
    pub fn at_end(&self) -> bool {
        self.ended || self.row < 0 || self.column < 0
    }

    fn leave_query(&mut self) {
        self.take(b'D', 1);
        self.at = At::GapInQuery;
        self.column -= 1;
    }

    fn leave_target(&mut self) {
        self.take(b'I', 1);
        self.at = At::GapInTarget;
        self.row -= 1;
    }

    /// What is left at the table's edge is one gap, along a side that is aligned from end to end.
    pub fn finish(mut self, mode: Mode) -> Traced {
        if self.row >= 0 && mode != Mode::Local {
            self.take(b'I', self.row as u32 + 1);
            self.row = -1;
        }
        if self.column >= 0 && mode == Mode::Global {
            self.take(b'D', self.column as u32 + 1);
            self.column = -1;
        }
        if self.runs.is_empty() {
            return Traced { query_start: -1, target_start: -1, cigar: "*".into() };
        }
        let mut cigar = String::new();
        for (operation, length) in self.runs.iter().rev() {
            // Writing to a String cannot fail.
            let _ = write!(cigar, "{length}{}", char::from(*operation));
        }
        let has = |side: &[u8]| self.runs.iter().any(|(operation, _)| side.contains(operation));
        let start = |before: i32, has: bool| if has { before + 1 } else { -1 };
        Traced {
            query_start: start(self.row, has(b"=XI")),
            target_start: start(self.column, has(b"=XD")),
            cigar,
        }
    }
}

/// Ways as the family's second output: starts and CIGAR of a pair on a line.
pub(super) fn lines(traced: &[Traced], to: &mut Vec<u8>) {
    to.clear();
    for Traced { query_start, target_start, cigar } in traced {
        // Writing to a Vec cannot fail.
        let _ = io::Write::write_fmt(to, format_args!("{query_start}\t{target_start}\t{cigar}\n"));
    }
}
