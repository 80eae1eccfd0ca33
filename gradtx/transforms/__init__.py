"""The words: pieces of one array idea each. No piece knows another."""
