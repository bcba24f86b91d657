//! The manager's morning mail: collect what matters, compose it, schedule it once a day.
