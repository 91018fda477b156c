"""Long recordings → utterances: voice activity, words with their times, speakers, clips.csv."""
