//! The files of the starter: the repository's own, with what a first try by hand
//! needs otherwise than the installed daemon, and told around today.

use jiff::civil::Date;

use super::dates;
use crate::render::TemplateSet;

/// What to do next, one command a line. Clients name their manager, who must be there first.
pub(super) const NEXT: [&str; 6] = [
    "outreachd check",
    "outreachd --as mira.holm@fyrljus.example manager appoint karin.ek@fyrljus.example \\",
    "    --name \"Karin Ek\" --phone 070-1740612 --reason \"has the south\"",
    "outreachd --as mira.holm@fyrljus.example manager appoint jonas.berg@fyrljus.example \\",
    "    --name \"Jonas Berg\" --phone 070-1740613 --reason \"has the north\"",
    "outreachd import clients.csv",
];

const CONFIG: &str = include_str!("../../../config/outreachd.toml");
const CAMPAIGN: &str = include_str!("../../../config/campaigns/led-i-lagret.toml");
const CLIENTS: &str = include_str!("../../demo/world/clients.csv");
const OTHERS: [(&str, &str); 4] = [
    ("config/campaigns/kundbrev.toml", include_str!("kundbrev.toml")),
    ("templates/brev/kundbrev.md", include_str!("kundbrev.md")),
    ("outreachd.service", include_str!("../../../config/outreachd.service")),
    (".gitignore", include_str!("gitignore")),
];

/// What stands otherwise in the starter's configuration than in the repository's.
const ADAPTED: [(&str, &str); 3] = [
    (
        "# The configuration of Fyrljus AB, an invented company.\n",
        "# The configuration of Fyrljus AB, an invented company: put yours in its place.\n",
    ),
    (
        "{ file = \"credential:relay\" } # systemd's LoadCredential=relay:...; or { env = \"NAME\" }",
        "{ file = \"secrets/relay\" }    # mode 600; under systemd \"credential:relay\"; or { env = \"NAME\" }",
    ),
    ("{ file = \"credential:mailbox\" }", "{ file = \"secrets/mailbox\" }"),
];

/// File names below the starter's folder, and their texts; the days in them are around `today`.
pub(super) fn files(today: Date) -> Vec<(String, String)> {
    let mut files = vec![
        ("config/outreachd.toml".to_owned(), config()),
        ("config/campaigns/led-i-lagret.toml".to_owned(), dates::future(&campaign(), today)),
        ("clients.csv".to_owned(), dates::past(CLIENTS, today)),
    ];
    files.extend(OTHERS.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())));
    let templates = TemplateSet::starter();
    files.extend(templates.iter().map(|(name, text)| (format!("templates/{name}"), text.to_owned())));
    files
}

/// The configuration with its secrets in files, and without a fax gateway: one whose
/// key is not there would keep the daemon from its letters.
fn config() -> String {
    let adapted = ADAPTED.iter().fold(CONFIG.to_owned(), |text, (from, to)| text.replacen(from, to, 1));
    let mut in_fax = false;
    let lines = adapted.lines().map(|line| {
        if line.starts_with('[') {
            in_fax = line.starts_with("[fax]");
        }
        let line = line.replace("\"credential:fax\"", "\"secrets/fax\"");
        if in_fax && !line.is_empty() { format!("# {line}\n") } else { format!("{line}\n") }
    });
    lines.collect()
}

/// The campaign without its faxes, which ask for a gateway.
fn campaign() -> String {
    let lines = CAMPAIGN.lines().map(|line| match line.starts_with("fallback ") {
        true => format!("# {line}\n"),
        false => format!("{line}\n"),
    });
    let remark = "# Two steps can go on by fax: name a gateway in [fax], then take the # from `fallback`.\n";
    lines.collect::<String>().replacen("[campaign]\n", &format!("{remark}[campaign]\n"), 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_how_its_two_steps_may_go_by_fax() {
        let campaign = campaign();
        assert_eq!(campaign.matches("\n# fallback = \"fax\"").count(), 2, "{campaign}");
        assert_eq!(campaign.lines().count(), CAMPAIGN.lines().count() + 1);
    }

    #[test]
    fn finds_every_place_it_adapts() {
        for (from, _) in ADAPTED {
            assert_eq!(CONFIG.matches(from).count(), 1, "{from}");
        }
        let config = config();
        assert!(!config.contains("{ file = \"credential:"), "{config}");
        assert!(
            config.contains("\n# [fax] ") && config.contains("\n# secret   = { file = \"secrets/fax\" }"),
            "{config}"
        );
        assert!(config.contains("\n[web]"), "{config}");
    }
}
