"""REINFORCE with a baseline and an entropy bonus on a walk along a line (Williams 1992)."""

import numpy as np

import autograd as torch
import nn
import nn.functional as F
from nn import optim
from tests.programs.start import start_alike


class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.shared = nn.Linear(2, 16)
        self.action = nn.Linear(16, 2)
        self.value = nn.Linear(16, 1)

    def forward(self, state):
        h = torch.tanh(self.shared(state))
        return F.log_softmax(self.action(h), dim=-1), self.value(h).squeeze(-1)


def episode(policy, rng, length=12):
    position, rewards, states, actions = 0.0, [], [], []
    for t in range(length):
        state = torch.tensor([position, t / length])
        with torch.no_grad():
            probability = policy(state)[0].exp()[1].item()
        action = int(rng.random() < probability)
        position += 0.2 if action else -0.2
        states.append(state)
        actions.append(action)
        rewards.append(-abs(position - 1.0))
    return torch.stack(states), torch.tensor(actions), rewards


def train():
    policy, rng = start_alike(Policy()), np.random.default_rng(0)
    optimizer = optim.Adam(policy.parameters(), lr=1e-2)
    losses = []
    for _ in range(15):
        states, actions, rewards = episode(policy, rng)
        returns = torch.tensor(rewards).flip(0).cumsum(0).flip(0)
        returns = (returns - returns.mean()) / (returns.std() + 1e-8)
        log_probabilities, values = policy(states)
        chosen = log_probabilities.gather(1, actions.unsqueeze(1)).squeeze(1)
        advantage = returns - values.detach()
        entropy = -(log_probabilities.exp() * log_probabilities).sum(1).mean()
        loss = -(chosen * advantage).mean() + 0.5 * F.smooth_l1_loss(values, returns) - 0.01 * entropy
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses += [loss.item(), sum(rewards)]
    return losses
