//! The table and what went wrong.

use super::cannot;
use super::feature::{self, Cell};

/// One client in one version at one backend.
pub struct Row {
    /// The library.
    pub client: &'static str,
    /// The version it speaks.
    pub version: &'static str,
    /// The era of the server.
    pub backend: &'static str,
    /// In the order of [`feature::ALL`].
    pub cells: [Cell; feature::ALL.len()],
}

impl Cell {
    fn text(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Cannot(short) => short,
            Self::Failed(_) => "FAIL",
        }
    }
}

/// Prints everything and gives the number of failures.
pub fn print(rows: &[Row]) -> usize {
    println!(
        "\n{:<14} {:<11} {:<7} {}",
        "client",
        "version",
        "backend",
        columns(|at| feature::ALL[at].name())
    );
    for row in rows {
        println!(
            "{:<14} {:<11} {:<7} {}",
            row.client,
            row.version,
            row.backend,
            columns(|at| row.cells[at].text())
        );
    }
    for fact in cannot::FACTS {
        println!("{:<14} {}", fact.short, fact.because);
    }
    let (mut ok, mut failed, mut cannot) = (0, 0, 0);
    for row in rows {
        for (at, cell) in row.cells.iter().enumerate() {
            match cell {
                Cell::Ok => ok += 1,
                Cell::Cannot(_) => cannot += 1,
                Cell::Failed(why) => {
                    failed += 1;
                    let feature = feature::ALL[at].name();
                    println!("FAIL {} {} {} {feature}: {why}", row.client, row.version, row.backend);
                }
            }
        }
    }
    println!("matrix: {ok} ok, {failed} failed, {cannot} cannot");
    failed
}

fn columns(text: impl Fn(usize) -> &'static str) -> String {
    let cells: Vec<_> = (0..feature::ALL.len()).map(|at| format!("{:<12}", text(at))).collect();
    cells.join(" ").trim_end().to_owned()
}
