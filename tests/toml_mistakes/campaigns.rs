//! Mistakes in campaign files.

use super::*;

#[test]
fn tells_each_mistake_of_a_campaign_once() {
    let cases: &[(&str, &str, &[&str])] = &[
        ("template = \"led/m", "tempalte = \"led/m", &["27:1: unknown key `tempalte` (did you mean `template`?)"]),
        ("template = \"led/matning\"\n", "", &["23:1: missing key `template` in `[[step]]`"]),
        ("late = \"send\"", "veto = \"1 business day\"", &["13:1: unknown key `veto`"]),
        ("[audience]", "[audiense]", &["6:2: unknown key `audiense` (did you mean `audience`?)"]),
        ("[campaign]", "[Campaign]", &["1:2: unknown key `Campaign` (did you mean `campaign`?)"]),
        ("2027-03-01", "\"2027-03-01\"", &["5:9: `start`: a date stands without quotes"]),
        ("2027-03-01", "2027-03-01T08:00:00", &["5:9: `start`: expected a date, found a date with a time"]),
        ("2027-03-01", "\"9 Mon\"", &["5:9: `start`: five fields are needed"]),
        ("2027-03-01", "{ corn = \"0 9 * * Mon\" }", &["5:11: unknown key `corn` (did you mean `cron`?)"]),
        ("2027-03-01", "{ cron = \"0 9 * *\" }", &["5:18: `start`: five fields are needed"]),
        (
            "country = [\"SE\"]",
            "country = [\"SE\", \"Tyskland\"]",
            &["7:18: `Tyskland` is no country; one is written by two letters, as SE"],
        ),
        ("country = [\"SE\"]", "country = []", &["7:11: `country` is an empty list, which nothing matches"]),
        ("country = [\"SE\"]", "tier = [1]", &["7:9: `tier`: expected a string, found an integer"]),
        ("country = [\"SE\"]", "not = { not = { tier = \"A\" } }", &["7:9: unknown key `not`"]),
        ("country = [\"SE\"]\nno_touch = \"30 days\"\n", "", &["6:1: an audience without a line would be everybody"]),
        ("\"30 days\"", "\"30 business days\"", &["8:12: `no_touch` counts calendar days; write it as \"30 days\""]),
        ("\"4 %\"", "4", &["9:11: `holdout`: expected a string, found an integer"]),
        ("\"4 %\"", "\"60 %\"", &["9:11: `holdout` must be below 50 %"]),
        (
            "Mon-Thu",
            "Mon-Tor",
            &["11:8: `days` has `Tor`, which is no weekday; write them as \"Mon-Thu\" or \"Mon, Wed\""],
        ),
        ("08:30-11:30", "11:30-08:30", &["12:9: `hours` must end after they begin, on the same day"]),
        ("08:30-11:30", "08:30-24:00", &["12:9: `hours` has `24:00`, which is no time from 00:00 to 23:59"]),
        (
            "late = \"send\"",
            "late = \"sned\"",
            &["13:8: `late` cannot be `sned`; it can be `send`, `skip` or `ask` (did you mean `send`?)"],
        ),
        (
            "channel = \"email\"",
            "channel = \"e-mail\"",
            &["16:11: `channel` cannot be `e-mail`; it can be `email`, `fax` or `call` (did you mean `email`?)"],
        ),
        ("fallback = \"fax\"", "fallback = \"call\"", &["18:12: `fallback` cannot be `call`; it can be `fax`"]),
        (", subject = \"En ljusmätning\" }", " }", &["21:3: missing key `subject` in `variants`"]),
        ("\"besok\"", "\"fraga\"", &["21:10: the variant `fraga` is given twice, first in line 20"]),
        ("led/intro", "led/intro.md", &["17:12: `template` is named without its ending (did you mean `led/intro`?)"]),
        ("led/intro", "../intro", &["17:12: `template` is a name below the template folder, as led/intro"]),
        ("id = \"matning\"", "id = \"intro\"", &["24:6: the step `intro` is given twice, first in line 15"]),
        ("wait = \"4 business days\"\n", "", &["23:1: missing key `wait` in `[[step]]`"]),
        (
            "wait = \"4 business days\"",
            "wait = \"4 dagar\"",
            &["26:8: `wait` is no pause; write it as \"4 hours\", \"2 days\" or \"3 business days\""],
        ),
        (
            "id = \"intro\"",
            "id = \"intro\"\nwait = \"1 day\"",
            &["16:8: `wait` has nothing to wait for in the first step, which goes at the campaign's `start`"],
        ),
        ("note = \"Ring {{", "template = \"t\"\nnote = \"Ring {{", &["32:1: a call has no `template`"]),
        ("note = \"Ring {{contact.name}}\"\n", "", &["28:1: missing key `note` in `[[step]]`"]),
        ("[on.interested]", "[on.intrested]", &["33:5: unknown key `intrested` (did you mean `interested`?)"]),
        (", within = \"1 business day\"", "", &["34:8: missing key `within` in `task`"]),
        ("id = \"led\"", "id =  # which?", &["2:7: the value is missing"]),
        ("id = \"led\"", "id = led", &["2:6: a text stands in quotes"]),
    ];
    hold(CAMPAIGN, cases, campaign_mistakes);
}

#[test]
fn tells_that_the_first_letter_needs_a_subject() {
    let start = CAMPAIGN.find("variants = [").unwrap();
    let end = CAMPAIGN.find("]\n[[step]]\nid = \"matning\"").unwrap() + 2;
    let without = format!("{}{}", &CAMPAIGN[..start], &CAMPAIGN[end..]);
    assert_eq!(described(&campaign_mistakes(&without)), ["14:1: the first letter needs a `subject`"]);
    let with = without.replacen("fallback", "subject = \"Hej\"\nfallback", 1);
    assert_eq!(described(&campaign_mistakes(&with)), [""; 0]);
}

#[test]
fn reads_what_a_campaign_says_of_its_own_speed() {
    let source = CAMPAIGN.replacen("late = \"send\"", "late = \"send\"\nrate = \"20/minute\"\nper_day = 400", 1);
    let limit = campaign::read(Path::new("led.toml"), &source, check_cron).0.unwrap().limit;
    assert_eq!((limit.rate.map(|rate| rate.to_string()), limit.per_day), (Some("20/minute".into()), Some(400)));
    let wrong = source.replacen("per_day = 400", "per_day = 0", 1);
    assert_eq!(described(&campaign_mistakes(&wrong)), ["15:11: `per_day` must be a whole number from 1 to 100000000"]);
}

#[test]
fn goes_on_with_a_misspelt_step_so_that_its_letter_is_checked_too() {
    let source = std::fs::read_to_string("config/campaigns/led-i-lagret.toml").unwrap();
    let source = source.replacen("template = \"led/matning\"", "tempalte = \"led/matning\"", 1);
    let (campaign, mistakes, places) = campaign::read(Path::new("led.toml"), &source, check_cron);
    assert_eq!(described(&mistakes), ["43:1: unknown key `tempalte` (did you mean `template`?)"]);
    assert_eq!(campaign.unwrap().steps[2].template.as_deref(), Some("led/matning"));
    let place = campaign::places::Place::Step("matning".into(), campaign::places::Part::Template);
    assert_eq!(places.mistake(&place, "is not there").column, 12);
}

#[test]
fn points_into_a_subject() {
    let (_, _, places) = campaign::read(Path::new("led.toml"), CAMPAIGN, check_cron);
    let part = campaign::places::Part::VariantSubject("besok".into());
    let place = campaign::places::Place::Step("intro".into(), part);
    let mistake = places.mistake_within(&place, 3..15, "x");
    assert_eq!((mistake.line, mistake.column, mistake.width), (21, 33, 11));
}

#[test]
fn tells_two_campaigns_of_one_id_apart_by_their_files() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.toml"), CAMPAIGN).unwrap();
    std::fs::write(folder.path().join("b.toml"), CAMPAIGN).unwrap();
    std::fs::write(folder.path().join("c.txt"), "no campaign").unwrap();
    let all = read_folder(folder.path(), check_cron);
    let [mistake] = all.mistakes.as_slice() else { panic!("{:?}", all.mistakes) };
    assert_eq!(mistake.file, folder.path().join("b.toml"));
    assert_eq!(described(&all.mistakes), ["2:6: the id `led` is taken by `a.toml`; each campaign needs its own"]);
    let gone = read_folder(&folder.path().join("none"), check_cron);
    assert!(gone.mistakes[0].message.starts_with("cannot read campaign folder"));
}
