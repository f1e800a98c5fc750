//! What was measured, as a table with ratios.

use super::system::System;

/// Rows in the order in which they were first noted.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    name: String,
    values: Vec<(System, f64)>,
}

impl Table {
    /// One more round of a row.
    pub(crate) fn note(&mut self, name: &str, system: System, value: f64) {
        if !self.rows.iter().any(|row| row.name == name) {
            self.rows.push(Row {
                name: name.to_owned(),
                values: Vec::new(),
            });
        }
        let row = self.rows.iter_mut().find(|row| row.name == name);
        row.unwrap().values.push((system, value));
    }

    /// Medians with their spread, and how many times nginx's median they are.
    pub(crate) fn print(&self, systems: &[System]) {
        let names: Vec<&str> = systems.iter().map(|system| system.as_str()).collect();
        let compared: Vec<System> = systems
            .iter()
            .copied()
            .filter(|system| *system != System::Nginx && systems.contains(&System::Nginx))
            .collect();
        let ratios: Vec<String> = compared
            .iter()
            .map(|system| format!("{} : nginx", system.as_str()))
            .collect();
        let headings = [names.join(" | "), ratios.join(" | ")].join(" | ");
        println!("| measured | {} |", headings.trim_end_matches(" | "));
        let columns = systems.len() + compared.len();
        println!("| --- |{}", " ---: |".repeat(columns));
        for row in &self.rows {
            let mut cells: Vec<String> = systems.iter().map(|system| row.cell(*system)).collect();
            cells.extend(compared.iter().map(|system| row.ratio(*system)));
            println!("| {} | {} |", row.name, cells.join(" | "));
        }
    }
}

impl Row {
    fn sorted(&self, system: System) -> Vec<f64> {
        let own = self.values.iter().filter(|(of, _)| *of == system);
        let mut own: Vec<f64> = own.map(|(_, value)| *value).collect();
        own.sort_by(f64::total_cmp);
        own
    }

    fn median(&self, system: System) -> Option<f64> {
        let own = self.sorted(system);
        own.get(own.len() / 2).copied()
    }

    fn cell(&self, system: System) -> String {
        let own = self.sorted(system);
        match (self.median(system), own.as_slice()) {
            (Some(median), [least, .., most]) => {
                format!("{} ({}-{})", short(median), short(*least), short(*most))
            }
            (Some(median), _) => short(median),
            (None, _) => String::new(),
        }
    }

    fn ratio(&self, system: System) -> String {
        match (self.median(system), self.median(System::Nginx)) {
            (Some(own), Some(nginx)) if nginx > 0.0 => format!("{:.2}", own / nginx),
            _ => String::new(),
        }
    }
}

/// Three digits that matter.
fn short(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
