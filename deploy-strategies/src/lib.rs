//! Recreate, rolling update, blue-green, canary and A/B as pure functions from what runs to stages.
