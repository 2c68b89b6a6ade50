use super::read;

#[test]
fn calls_are_recorded_whatever_is_chosen() {
    for chosen in ["warn", "off", "portcullis=error", "portcullis::audit=off", ""] {
        let filter = read(chosen).unwrap().to_string();
        assert!(filter.contains("portcullis::audit=info"), "{chosen}: {filter}");
        assert!(!filter.contains("portcullis::audit=off"), "{chosen}: {filter}");
    }
}

#[test]
fn a_word_that_would_silence_everything_is_named() {
    for chosen in ["verbose", "info,portculis_net", "warn, loud"] {
        let word = chosen.rsplit(',').next().unwrap().trim();
        assert!(read(chosen).unwrap_err().contains(word), "{chosen}");
    }
    for chosen in ["debug", "info,portcullis_upstream", "info,hyper=debug", "WARN", "2"] {
        assert!(read(chosen).is_ok(), "{chosen}");
    }
}
