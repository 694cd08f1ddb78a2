"""What commands show: tables for people, one JSON document for programs, and the exit code that goes with it."""
