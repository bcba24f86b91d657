//! Attachments and pictures stay for as long as a revision names them.

use outreachd::render::{File, TemplateSet};

use super::*;

async fn apply_with(store: &Store, files: &[&File]) {
    let texts = [("led/intro.md".to_owned(), "Hej".to_owned())].into();
    let templates = TemplateSet::with_manifest(texts, files);
    let new = NewRevision { campaign: campaign(), source: String::new(), templates, next_run_at: None };
    store.apply(&act(), &new).await.unwrap();
}

#[tokio::test]
async fn clears_the_files_that_no_revision_names_and_only_those() {
    for database in databases("files").await {
        let store = &database.store;
        let [old, new, left] =
            ["old", "new", "left"].map(|name| File::new("files/price.pdf", format!("%PDF-1.4 {name}").into()).unwrap());
        let all = [&old, &new, &left].map(|file| (file.hash(), file.bytes()));
        let hashes = all.map(|(hash, _)| hash);
        store.put_files(&all).await.unwrap();
        apply_with(store, &[&old]).await;
        apply_with(store, &[&new]).await;
        apply_with(store, &[]).await;
        assert_eq!(store.clear_files().await.unwrap(), 1);
        let kept: Vec<_> = store.files(&hashes).await.unwrap().into_values().collect();
        assert_eq!(kept.len(), 2);
        assert!(kept.contains(&old.bytes().to_vec()) && kept.contains(&new.bytes().to_vec()));
        assert_eq!(store.clear_files().await.unwrap(), 0);
    }
}

#[tokio::test]
async fn clears_every_file_where_nothing_was_ever_applied() {
    for database in databases("files_none").await {
        let left = File::new("files/price.pdf", b"%PDF-1.4 left".to_vec()).unwrap();
        database.store.put_files(&[(left.hash(), left.bytes())]).await.unwrap();
        assert_eq!(database.store.clear_files().await.unwrap(), 1);
    }
}
