module rnn-spec/helper

go 1.22
