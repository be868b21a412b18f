//! What logins and users' sessions cost: commands, counted by Redis.

use crate::*;

fn commands(server: &RedisServer) -> u64 {
    let stats = server.cli(&["INFO", "stats"]);
    let line = stats.lines().find_map(|line| line.strip_prefix("total_commands_processed:"));
    line.unwrap().trim().parse().unwrap()
}

#[tokio::test]
async fn reads_of_a_users_session_cost_no_command_more() {
    let Places { places, server, _directory } = Places::new();
    for place in &places[2..4] {
        let manager = place.manager();
        let id = log_in(&manager, "bob").await;
        // Those of the background.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let before = commands(&server);
        let session = manager.open(Some(id));
        assert_eq!(session.get::<u8>("a").await.unwrap(), Some(1));
        // `INFO` itself, and one read, or none from the near cache.
        let reads = commands(&server) - before - 1;
        assert_eq!(reads, u64::from(place.name == "hash"), "{}", place.name);
    }
}
