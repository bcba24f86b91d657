//! `tasks`: what managers have to do, listed and done.

use outreachd::model::task::TaskKind;
use outreachd::store::Consequence;
use serde_json::Value;

use crate::office::{HEAD, Office, act};
use crate::support::databases::databases;

#[tokio::test]
async fn lists_open_tasks_until_they_are_done() {
    for database in databases("commands_tasks").await {
        let office = Office::over(&database.url);
        let appoint = ["manager", "appoint", "karin.ek@fyrljus.example", "--name", "Karin Ek", "--reason", "hired"];
        office.run_as(HEAD, &appoint).well();
        let users = database.store.users().await.unwrap();
        let karin = users.iter().find(|user| user.name.as_str() == "Karin Ek").unwrap().id;
        let task = Consequence::Task {
            kind: TaskKind::Call,
            user: Some(karin),
            contact: None,
            plan: None,
            response: None,
            note: "Ring Anna Lind".into(),
            due_on: "2027-03-02".parse().unwrap(),
        };
        database.store.carry_out(&act(), &[task]).await.unwrap();
        let listed: Value = serde_json::from_str(&office.run(&["tasks", "list", "--json"]).well()).unwrap();
        let id = listed[0]["id"].to_string();
        let said = office.run(&["tasks", "list", "karin.ek@fyrljus.example"]).well();
        assert_eq!(said, format!("{id}  2027-03-02  Karin Ek: Ring Anna Lind\n"));
        assert_eq!(office.run(&["tasks", "done", &id]).well(), format!("Task {id} is done.\n"));
        assert_eq!(office.run(&["tasks", "list"]).well(), "Nothing is open.\n");
        let again = office.run(&["tasks", "done", &id]).refused();
        assert!(again.contains(&format!("there is no open task `{id}`")), "{again}");
    }
}
