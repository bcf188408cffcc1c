"""Deep Q-learning: replayed transitions, a target net that follows slowly, Huber's loss."""

import copy

import autograd as torch
import nn
from nn import optim
from tests.programs.start import draw, draw_classes, start_alike


def train():
    net = start_alike(nn.Sequential(nn.Linear(4, 24), nn.ReLU(), nn.Linear(24, 24), nn.ReLU(), nn.Linear(24, 3)))
    target = copy.deepcopy(net).requires_grad_(False)
    optimizer = optim.RMSprop(net.parameters(), lr=1e-3, centered=True)
    states, following = torch.from_numpy(draw(60, 4)), torch.from_numpy(draw(60, 4, seed=1))
    actions, rewards = torch.from_numpy(draw_classes(3, 60)), torch.from_numpy(draw(60))
    done = rewards < -1
    losses = []
    for step in range(25):
        batch = torch.from_numpy(draw_classes(60, 16, seed=step))
        q = net(states[batch]).gather(1, actions[batch, None]).squeeze(1)
        best = target(following[batch]).max(dim=1).values
        best[done[batch]] = 0.0
        loss = nn.HuberLoss(delta=0.5)(q, rewards[batch] + 0.9 * best)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for slow, fast in zip(target.parameters(), net.parameters(), strict=True):
                slow.lerp_(fast, 0.1)
        losses.append(loss.item())
    target.load_state_dict(net.state_dict())
    return [*losses, *target(states[:5]).argmax(1).tolist()]
