"""The programs of scripts/examples/ in PyTorch: op example, the losses of their first steps."""

import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader

from .execute import OPERATIONS, array, default_dtype


class CharacterModel(nn.Module):
    """A table of characters, an LSTM, and a LayerNorm and a fully connected layer at every step."""

    def __init__(self, characters):
        super().__init__()
        self.embedding = nn.Embedding(characters, 16)
        self.lstm = nn.LSTM(16, 64, batch_first=True)
        self.norm = nn.LayerNorm(64)
        self.fc = nn.Linear(64, characters)

    def forward(self, x, state=None):
        """From numbers of characters to logits of those that follow."""
        output, state = self.lstm(self.embedding(x), state)
        return self.fc(self.norm(output)), state


def characters(data):
    """The losses of the character model, without end."""
    alphabet = sorted(set(data["text"]))
    model = CharacterModel(len(alphabet))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
    numbers = torch.tensor([alphabet.index(character) for character in data["text"]])
    length = (len(numbers) - 1) // 8
    x, y = (numbers[by : by + 8 * length].view(8, length) for by in (0, 1))
    while True:
        state = None
        for t in range(0, length, 16):
            optimizer.zero_grad()
            logits, state = model(x[:, t : t + 16], state)
            loss = nn.functional.cross_entropy(logits.flatten(0, 1), y[:, t : t + 16].flatten())
            loss.backward()
            clip_grad_norm_(model.parameters(), 1)
            optimizer.step()
            state = tuple(part.detach() for part in state)
            yield loss


class Tagger(nn.Module):
    """A table of words, a GRU in both directions, and a fully connected layer at every step."""

    def __init__(self, words, tags):
        super().__init__()
        self.embedding = nn.Embedding(words, 12, padding_idx=0)
        self.gru = nn.GRU(12, 16, bidirectional=True, batch_first=True)
        self.fc = nn.Linear(32, tags)

    def forward(self, x, lengths):
        """From numbers of words, and lengths, to logits of tags."""
        packed = pack_padded_sequence(self.embedding(x), lengths, True, enforce_sorted=False)
        return self.fc(pad_packed_sequence(self.gru(packed)[0], batch_first=True)[0])


def padded(batch):
    """A batch of sentences, of their tags, and how long each is."""
    x, y = zip(*batch, strict=True)
    lengths = torch.tensor([len(one) for one in x])
    return pad_sequence(x, True), pad_sequence(y, True, padding_value=-100), lengths


def tagger(data):
    """The losses of the tagger, without end."""
    pairs = [[one.split("/") for one in line.split(" ")] for line in data["sentences"]]
    words = ["", *sorted({word for line in pairs for word, _ in line})]
    tags = sorted({tag for line in pairs for _, tag in line})
    items = [
        (torch.tensor([words.index(word) for word, _ in line]),
         torch.tensor([tags.index(tag) for _, tag in line]))
        for line in pairs
    ]
    model = Tagger(len(words), len(tags))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    schedule = lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
    generator = torch.Generator().manual_seed(data["seed"])
    loader = DataLoader(items, 8, shuffle=True, generator=generator, collate_fn=padded)
    while True:
        total = 0.0
        for x, y, lengths in loader:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x, lengths).flatten(0, 1), y.flatten())
            loss.backward()
            optimizer.step()
            total += loss.item()
            yield loss
        schedule.step(total / len(loader))


class Forecaster(nn.Module):
    """An LSTM, and a fully connected layer at every step."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(1, 24, batch_first=True)
        self.fc = nn.Linear(24, 1)

    def forward(self, x):
        """From values to the value that follows each."""
        return self.fc(self.lstm(x)[0])


def forecaster(data):
    """The losses of the forecaster, without end."""
    model = Forecaster()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    schedule = lr_scheduler.ExponentialLR(optimizer, 0.99)
    series = torch.tensor(data["series"], dtype=torch.get_default_dtype()).unsqueeze(1)
    windows = [(series[t : t + 40], series[t + 1 : t + 41]) for t in range(0, len(series) - 40, 3)]
    generator = torch.Generator().manual_seed(data["seed"])
    loader = DataLoader(windows, 24, shuffle=True, generator=generator, drop_last=True)
    while True:
        for x, y in loader:
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            yield loss
        schedule.step()


PROGRAMS = {"characters": characters, "tagger": tagger, "forecaster": forecaster}


def example(request):
    """The losses before the first steps of a program, from a seed."""
    with default_dtype(request["dtype"]):
        torch.manual_seed(request["args"]["seed"])
        losses = PROGRAMS[request["function"]](request["args"])
        found = [next(losses).detach() for _ in range(request["steps"])]
    return {"outputs": {"loss": array(torch.stack(found))}}


OPERATIONS["example"] = example
