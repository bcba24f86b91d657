//! Clients come in, are found again, and are picked for an audience.

use super::*;

#[tokio::test]
async fn finds_a_client_again_and_updates_it() {
    for database in databases("again").await {
        let store = &database.store;
        let mut anna = record("Granvik AB", "Anna Lind", "anna@granvik.example");
        anna.consents = vec![ConsentRecord {
            channel: "fax".into(),
            basis: "consent".into(),
            evidence: "fair 2026".into(),
            given_at: 0,
        }];
        let bo = record("Granvik AB", "Bo Ek", "bo@granvik.example");
        let first = import(store, &[anna.clone(), bo.clone()]).await;
        assert_eq!((first.created, first.updated, first.unchanged), (2, 0, 0));
        let again = import(store, &[anna.clone(), bo.clone()]).await;
        assert_eq!((again.created, again.updated, again.unchanged), (0, 0, 2));
        anna.title = Some("VD".into());
        anna.fax = Some("+46701740612".into());
        let third = import(store, &[anna, bo]).await;
        assert_eq!((third.created, third.updated, third.unchanged), (0, 1, 1));

        let found = store.search_contacts("ANNA@granvik.example", 5).await.unwrap();
        assert_eq!(found.len(), 1);
        let client = store.get_client(found[0]).await.unwrap();
        assert_eq!(client.contact.title.as_ref().map(Line::as_str), Some("VD"));
        assert_eq!(client.account.needs, ["lighting", "sensors"]);
        assert_eq!(client.contact.fax.as_ref().map(|fax| fax.as_str()), Some("+46701740612"));
        assert_eq!(store.consents(found[0]).await.unwrap().len(), 1);
        assert_eq!(store.changes("contact", &found[0].to_string()).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn hides_a_batch_until_it_is_published() {
    for database in databases("hidden").await {
        let store = &database.store;
        let batch = store.begin_batch(&act(), "clients.csv").await.unwrap();
        let saved = store
            .save_clients(&act(), batch, &[record("Granvik AB", "Anna Lind", "anna@granvik.example")])
            .await
            .unwrap();
        let audience = campaign().audience;
        assert_eq!(store.candidates(&audience, "led", "", now(), Default::default(), 10).await.unwrap(), []);
        store.publish_batch(&act(), batch, saved, 3).await.unwrap();
        assert_eq!(store.candidates(&audience, "led", "", now(), Default::default(), 10).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_batch_takes_over_what_a_dead_one_had_created() {
    for database in databases("takeover").await {
        let store = &database.store;
        let anna = record("Granvik AB", "Anna Lind", "anna@granvik.example");
        let dead = store.begin_batch(&act(), "clients.csv").await.unwrap();
        store.save_clients(&act(), dead, std::slice::from_ref(&anna)).await.unwrap();
        assert_eq!(store.count_known(std::slice::from_ref(&anna)).await.unwrap(), 1);
        assert_eq!(store.count_contacts().await.unwrap(), 0);
        let again = import(store, &[anna]).await;
        assert_eq!((again.created, again.updated, again.unchanged), (1, 0, 0));
        let found = store.find_contacts("anna lind", 5).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(store.changes("contact", &found[0].to_string()).await.unwrap(), []);
        assert_eq!(store.find_external_id(found[0]).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_condition_on_what_is_not_known_leaves_nobody_out_by_not() {
    for database in databases("unknown").await {
        let store = &database.store;
        let mut anna = record("Granvik AB", "Anna Lind", "anna@granvik.example");
        anna.tier = None;
        import(store, &[anna]).await;
        let not_c = Rule(vec![Condition::Not(Rule(vec![Condition::Tier(vec!["C".into()])]))]);
        assert_eq!(store.candidates(&not_c, "led", "", now(), Default::default(), 10).await.unwrap().len(), 1);
        let only_c = Rule(vec![Condition::Tier(vec!["C".into()])]);
        assert_eq!(store.candidates(&only_c, "led", "", now(), Default::default(), 10).await.unwrap(), []);
    }
}

#[tokio::test]
async fn tells_every_suppression_over_a_contact() {
    for database in databases("over").await {
        let store = &database.store;
        import(store, &[record("Granvik AB", "Anna Lind", "anna@granvik.example")]).await;
        let anna = store.find_contacts("anna lind", 1).await.unwrap()[0];
        let values = [
            (Scope::Contact, anna.to_string()),
            (Scope::Address, "anna@granvik.example".to_owned()),
            (Scope::Domain, "granvik.example".to_owned()),
            (Scope::Domain, "almby.example".to_owned()),
        ];
        let suppress = |(scope, value): (Scope, String)| Consequence::Suppress {
            scope,
            value,
            reason: Reason::Operator,
            response: None,
        };
        store.carry_out(&act(), &values.map(suppress)).await.unwrap();
        let told = store.suppressions(anna).await.unwrap();
        assert_eq!(
            told.iter().map(|one| one.scope).collect::<Vec<_>>(),
            [Scope::Contact, Scope::Address, Scope::Domain]
        );
        assert_eq!((told[2].value.as_str(), told[2].actor.as_str()), ("granvik.example", "test"));
    }
}

#[tokio::test]
async fn picks_an_audience_by_every_condition() {
    for database in databases("audience").await {
        let store = &database.store;
        let mut norwegian = record("Fjell AS", "Kari Dahl", "kari@fjell.example");
        norwegian.country = Some("NO".into());
        let mut rival = record("Rival AB", "Rut Falk", "rut@rival.example");
        rival.tags = Some(vec!["competitor".into()]);
        let mut touched = record("Nära AB", "Nils Ek", "nils@nara.example");
        touched.last_touch = Some((now() - 24.hours()).as_microsecond());
        let clean = record("Granvik AB", "Anna Lind", "anna@granvik.example");
        import(store, &[norwegian, rival, touched, clean]).await;
        let rule = Rule(vec![
            Condition::Country(vec!["SE".into(), "DE".into()]),
            Condition::Needs(vec!["lighting".into()]),
            Condition::Tier(vec!["A".into(), "B".into()]),
            Condition::NoTouch { days: 30 },
            Condition::Not(Rule(vec![Condition::Tags(vec!["competitor".into(), "it's \"quoted\"".into()])])),
        ]);
        let found = store.candidates(&rule, "led", "", now(), Default::default(), 10).await.unwrap();
        assert_eq!(found.iter().map(|person| person.name.as_str()).collect::<Vec<_>>(), ["Anna Lind"]);
    }
}
