//! Attachments and pictures: what is wrong with one is told at its place, and a version
//! keeps those it was applied with.

use super::*;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\nlampa";

/// The example, its first letter with a picture and an attachment.
fn with_files() -> World {
    let world = World::new(&[
        NO_HOLDOUT,
        ("template = \"led/intro\"\n", "template = \"led/intro\"\nattachments = [\"files/prislista.pdf\"]\n"),
    ]);
    write(&world, "templates/files/prislista.pdf", b"%PDF-1.4 pris");
    write(&world, "templates/bilder/lampa.png", PNG);
    world.edit("templates/led/intro.md", &[("Jag mäter", "![Lampan](bilder/lampa.png)\n\nJag mäter")]);
    world
}

fn write(world: &World, name: &str, bytes: &[u8]) {
    let path = world.path(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

fn mistakes(world: &World) -> Vec<Mistake> {
    check_files(world).mistakes
}

#[test]
fn check_tells_at_its_place_what_is_wrong_with_a_file() {
    let world = with_files();
    assert_eq!(described(&mistakes(&world)), [""; 0]);
    let line = std::fs::read_to_string(world.path(CAMPAIGN)).unwrap();
    let line = line.lines().position(|line| line.starts_with("attachments")).unwrap() + 1;
    for (bytes, said) in [
        (&b"MZ\x90"[..], "`files/prislista.pdf` is no pdf, whatever its name says"),
        (b"", "`files/prislista.pdf` is empty"),
    ] {
        write(&world, "templates/files/prislista.pdf", bytes);
        let found = mistakes(&world);
        assert_eq!(described(&found), [format!("led-i-lagret.toml:{line}:16: {said}")]);
        assert!(found[0].excerpt.as_deref().unwrap().starts_with("attachments"));
    }
    let mut large = b"%PDF-".to_vec();
    large.resize(5 * 1024 * 1024 + 1, b'x');
    write(&world, "templates/files/prislista.pdf", &large);
    assert!(described(&mistakes(&world))[0].contains("has 5120 kB; a file that goes with letters has 5120 kB at most"));
    std::fs::rename(world.path("templates/files/prislista.pdf"), world.path("templates/files/prislistan.pdf")).unwrap();
    write(&world, "templates/files/prislistan.pdf", b"%PDF-1.4 pris");
    let found = mistakes(&world);
    assert_eq!(
        described(&found),
        [format!("led-i-lagret.toml:{line}:16: there is no file `files/prislista.pdf` in the template folder")]
    );
    assert_eq!(found[0].aside.as_deref(), Some("did you mean `files/prislistan.pdf`?"));
    world.edit(CAMPAIGN, &[("files/prislista.pdf", "files/prislista.exe")]);
    assert!(described(&mistakes(&world))[0].contains("`files/prislista.exe` does not go with letters; pdf, png,"));
}

#[test]
fn check_tells_at_its_place_what_is_wrong_with_a_picture() {
    let world = with_files();
    let source = std::fs::read_to_string(world.path("templates/led/intro.md")).unwrap();
    let line = source.lines().position(|line| line.starts_with("![Lampan]")).unwrap() + 1;
    std::fs::remove_file(world.path("templates/bilder/lampa.png")).unwrap();
    let found = mistakes(&world);
    let said = format!("intro.md:{line}:11: there is no picture `bilder/lampa.png` in the template folder");
    assert_eq!(described(&found), [said]);
    assert_eq!(found[0].width, "bilder/lampa.png".len());
    write(&world, "templates/bilder/lampa.png", b"GIF89a");
    assert!(described(&mistakes(&world))[0].ends_with("`bilder/lampa.png` is no png, whatever its name says"));
}

#[tokio::test]
async fn apply_keeps_the_files_with_the_version_and_a_changed_file_is_a_new_one() {
    for database in databases("campaign_files").await {
        let (world, store) = (with_files(), &database.store);
        twelve(store).await;
        assert_eq!(world.apply(store, before()).await.version, 1);
        let again = world.apply(store, before()).await;
        assert_eq!((again.version, again.is_new), (1, false));
        write(&world, "templates/files/prislista.pdf", b"%PDF-1.4 nya priser");
        write(&world, "templates/files/other.pdf", b"%PDF-1.4 that no letter names");
        assert_eq!(world.apply(store, before()).await.version, 2);
        let running = store.find_running("led-i-lagret").await.unwrap().unwrap();
        let mut set = TemplateSet::from_map(store.template_texts(&running).await.unwrap());
        let listed = set.listed();
        let names: Vec<_> = listed.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["bilder/lampa.png", "files/prislista.pdf"]);
        let hashes: Vec<_> = listed.iter().map(|(_, hash)| hash.as_str()).collect();
        let stored = store.files(&hashes).await.unwrap();
        set.add_stored(&stored).unwrap();
        let bytes: Vec<_> = set.files().map(|(_, file)| file.unwrap().bytes().to_vec()).collect();
        assert_eq!(bytes, [PNG, b"%PDF-1.4 nya priser"]);
        assert_eq!(set.add_stored(&BTreeMap::new()), Err("bilder/lampa.png".to_owned()));
    }
}

#[tokio::test]
async fn apply_clears_what_one_before_it_left_when_it_failed() {
    for database in databases("campaign_files_left").await {
        let (world, store) = (with_files(), &database.store);
        let left = outreachd::render::File::new("files/left.pdf", b"%PDF-1.4 left".to_vec()).unwrap();
        store.put_files(&[(left.hash(), left.bytes())]).await.unwrap();
        world.apply(store, before()).await;
        assert_eq!(store.files(&[left.hash()]).await.unwrap(), BTreeMap::new());
        let running = store.find_running("led-i-lagret").await.unwrap().unwrap();
        let listed = TemplateSet::from_map(store.template_texts(&running).await.unwrap()).listed();
        let hashes: Vec<_> = listed.iter().map(|(_, hash)| hash.as_str()).collect();
        assert_eq!(store.files(&hashes).await.unwrap().len(), 2);
    }
}

#[tokio::test]
async fn preview_shows_the_files_that_go_with_a_letter() {
    let (world, database) = (with_files(), support::databases::sqlite().await);
    twelve(&database.store).await;
    let (config, files) = (world.config(), check_files(&world));
    let id = database.store.search_contacts("anna@bolag-0-ab.example", 1).await.unwrap()[0];
    let client = database.store.get_client(id).await.unwrap();
    let wanted = Wanted { step: "intro", variant: None, by_fax: false };
    let mail = letter(&files, &files.folder.campaigns[0], wanted, &client, &config, before()).unwrap();
    assert_eq!(mail.files, ["bilder/lampa.png (1 kB)", "files/prislista.pdf (1 kB)"]);
    let text = String::from_utf8(mail.bytes).unwrap();
    assert!(text.contains("filename=\"prislista.pdf\"") && text.contains("multipart/related"), "{text}");
    assert!(text.contains("Feedback-ID: led-i-lagret:intro:campaign:fyrljus\r\n"), "{text}");
    let fax = letter(&files, &files.folder.campaigns[0], Wanted { by_fax: true, ..wanted }, &client, &config, before());
    assert_eq!(fax.unwrap().files, [""; 0]);
}
